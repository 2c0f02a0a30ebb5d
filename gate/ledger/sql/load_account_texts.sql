-- load_account_texts: as load_accounts, with terms, calendars and grants as text.
--
-- For loading in bulk: terms and calendars are decoded once for all that share them. Asked again,
-- it allots other epochs.
--
-- $1 of_partition      smallint
-- $2 journal_end       text
-- $3 organization_ids  text[]
-- -> organization_id text, answer text, epoch bigint?, seq bigint?, overage bigint?, debt bigint?,
--    used bigint?, warned_percent smallint?, allowance bigint?, status text?, frozen_reason text?,
--    grace_until timestamptz?, period_no bigint?, starts_at timestamptz?, ends_at timestamptz?,
--    terms text?, coming text?, grants text?
SELECT organization_id, answer, epoch, seq, overage, debt, used, warned_percent, allowance, status,
       frozen_reason, grace_until, period_no, starts_at, ends_at, terms::text AS terms,
       coming::text AS coming, grants::text AS grants
FROM load_accounts($1, $2, $3)
