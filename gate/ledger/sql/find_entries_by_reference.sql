-- find_entries_by_reference: the entries of an organization that bear a caller's reference.
--
-- No index has references: reads all of the organization's entries, under a short time limit.
--
-- $1 organization_id  text
-- $2 reference_id     text
-- $3 rows             bigint
-- -> id text, organization_id text, subscription_id text?, entry_type text, delta bigint,
--    balance_after bigint, reason text?, reference_id text?, created_at timestamptz,
--    booked_at timestamptz, entry_no bigint, epoch bigint, seq bigint, delta_kind text,
--    settlement_id text?, part bigint?, operation_id text?, period_no bigint?,
--    config_version bigint?, split jsonb, late boolean, repeated boolean, chain bytea
SELECT id, organization_id, subscription_id, entry_type::text, delta, balance_after, reason,
       reference_id, created_at, booked_at, entry_no, epoch, seq, delta_kind, settlement_id, part,
       operation_id, period_no, config_version, split, late, repeated, chain
FROM credit_ledger
WHERE organization_id = $1 AND reference_id = $2
ORDER BY entry_no
LIMIT $3
