-- list_reports: what was ever found of an organization, the newest first.
--
-- $1 organization_id  text
-- $2 count            bigint
-- -> organization_id text, kind text, found_at timestamptz, epoch bigint?, seq bigint?,
--    live jsonb?, booked jsonb?, credits bigint?, action text?, resolved_at timestamptz?,
--    repair_state text
SELECT r.organization_id, r.kind, r.found_at, r.epoch, r.seq, r.live, r.booked, r.credits, r.action,
       r.resolved_at, coalesce(a.repair_state, 'ok') AS repair_state
FROM drift_report r LEFT JOIN account a USING (organization_id)
WHERE r.organization_id = $1
ORDER BY r.found_at DESC, r.id DESC
LIMIT $2
