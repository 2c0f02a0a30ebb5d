-- read_places: how far organizations are booked, and with what numbers.
--
-- $1 organization_ids  text[]
-- -> organization_id text, epoch bigint, seq bigint, posted bigint, used bigint, overage bigint,
--    debt bigint, period_no bigint, entry_no bigint, repair_state text
SELECT organization_id, epoch, seq, posted, used, overage, debt, period_no, entry_no, repair_state
FROM account
WHERE organization_id = ANY ($1)
