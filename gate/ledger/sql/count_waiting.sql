-- count_waiting: what waits to be done or looked at, and since when; each counted up to a limit.
--
-- $1 counted_max  bigint
-- -> drift_reports bigint, oldest_drift_at timestamptz?, quarantined bigint,
--    oldest_quarantined_at timestamptz?, operations bigint, oldest_operation_at timestamptz?,
--    events bigint, oldest_event_at timestamptz?, now timestamptz
SELECT drift.number AS drift_reports, drift.oldest_at AS oldest_drift_at,
       quarantined.number AS quarantined, quarantined.oldest_at AS oldest_quarantined_at,
       operations.number AS operations, operations.oldest_at AS oldest_operation_at,
       events.number AS events, events.oldest_at AS oldest_event_at,
       clock_timestamp() AS now
FROM (SELECT count(*) AS number, min(found_at) AS oldest_at FROM (
          SELECT found_at FROM drift_report WHERE resolved_at IS NULL ORDER BY found_at LIMIT $1
      ) AS open) AS drift,
     (SELECT count(*) AS number, min(found_at) AS oldest_at FROM (
          SELECT found_at FROM quarantine WHERE replayed_at IS NULL LIMIT $1
      ) AS open) AS quarantined,
     (SELECT count(*) AS number, min(created_at) AS oldest_at FROM (
          SELECT created_at FROM operation WHERE status IN ('pending', 'applied') LIMIT $1
      ) AS open) AS operations,
     (SELECT count(*) AS number, min(created_at) AS oldest_at FROM (
          SELECT created_at FROM event_outbox WHERE sent_at IS NULL ORDER BY id LIMIT $1
      ) AS open) AS events
