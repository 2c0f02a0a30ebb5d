-- list_open_reports: what differs or is under repair, the newest first.
--
-- Accounts under repair are told even if what they were found by is not reported, as with a fork.
--
-- $1 count  bigint
-- -> organization_id text, kind text?, found_at timestamptz?, epoch bigint?, seq bigint?,
--    live jsonb?, booked jsonb?, credits bigint?, action text?, resolved_at timestamptz?,
--    repair_state text
SELECT r.organization_id, r.kind, r.found_at, r.epoch, r.seq, r.live, r.booked, r.credits, r.action,
       r.resolved_at, coalesce(a.repair_state, 'ok') AS repair_state
FROM drift_report r LEFT JOIN account a USING (organization_id)
WHERE r.resolved_at IS NULL
UNION ALL
SELECT a.organization_id, a.repair_reason, a.repair_since, a.epoch, a.seq, NULL, NULL, NULL, NULL,
       NULL, a.repair_state
FROM account a
WHERE a.repair_state <> 'ok' AND NOT EXISTS (
    SELECT FROM drift_report r
    WHERE r.organization_id = a.organization_id AND r.resolved_at IS NULL)
ORDER BY found_at DESC NULLS LAST, organization_id
LIMIT $1
