-- list_misfits: the accounts of a partition that are to be reloaded, the busiest first.
--
-- reloads: how often that was decided within the last hour, and since a person has looked. credits: by how much the account was
-- last found to differ, without a sign.
--
-- $1 partition  smallint
-- $2 count      integer
-- -> organization_id text, epoch bigint, seq bigint, reloads bigint, credits bigint
SELECT a.organization_id, a.epoch, a.seq, found.reloads, coalesce(abs(last.credits), 0) AS credits
FROM account a
CROSS JOIN LATERAL (
    SELECT count(*) AS reloads FROM drift_report
    WHERE organization_id = a.organization_id AND action LIKE '%reload%'
      AND found_at > greatest(now() - interval '1 hour', (
          SELECT max(found_at) FROM drift_report
          WHERE organization_id = a.organization_id AND action = 'resume'
      ))
) found
LEFT JOIN LATERAL (
    SELECT credits FROM drift_report
    WHERE organization_id = a.organization_id AND found_at >= a.repair_since AND credits IS NOT NULL
    ORDER BY found_at DESC, id DESC LIMIT 1
) last ON true
WHERE a.partition = $1 AND a.repair_state = 'reloading'
ORDER BY a.last_delta_at DESC NULLS LAST
LIMIT $2::integer
