-- list_gaps: the deltas for which amounts were booked without them, as ranges of seq.
--
-- $1 organization_ids  text[]
-- -> organization_id text, epoch bigint, first bigint, last bigint
SELECT organization_id, epoch, (booked ->> 'seq')::bigint + 1 AS first, seq - 1 AS last
FROM drift_report
WHERE organization_id = ANY ($1) AND kind = 'gap'
