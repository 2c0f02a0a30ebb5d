-- find_entries: the entries that book a settlement or an operation, and those that give it back.
--
-- facts: what reversals name as their reference, `settlement:<part>:<id>` or `operation:<id>`.
--
-- $1 organization_id  text
-- $2 ids              text[]
-- $3 facts            text[]
-- $4 rows             bigint
-- -> id text, organization_id text, subscription_id text?, entry_type text, delta bigint,
--    balance_after bigint, reason text?, reference_id text?, created_at timestamptz,
--    booked_at timestamptz, entry_no bigint, epoch bigint, seq bigint, delta_kind text,
--    settlement_id text?, part bigint?, operation_id text?, period_no bigint?,
--    config_version bigint?, split jsonb, late boolean, repeated boolean, chain bytea
SELECT id, organization_id, subscription_id, entry_type::text, delta, balance_after, reason,
       reference_id, created_at, booked_at, entry_no, epoch, seq, delta_kind, settlement_id, part,
       operation_id, period_no, config_version, split, late, repeated, chain
FROM credit_ledger
WHERE organization_id = $1
  AND (settlement_id = ANY ($2) OR operation_id = ANY ($2)
       OR (operation_id LIKE 'rev\_%' AND reference_id = ANY ($3)))
ORDER BY entry_no
LIMIT $4
