-- list_repairs: accounts that are being repaired or were stopped, the stopped and the oldest first.
--
-- $1 rows  bigint
-- -> organization_id text, repair_state text, repair_reason text?, repair_since timestamptz?
SELECT organization_id, repair_state, repair_reason, repair_since
FROM account
WHERE repair_state <> 'ok'
ORDER BY repair_state <> 'stopped', repair_since, organization_id
LIMIT $1
