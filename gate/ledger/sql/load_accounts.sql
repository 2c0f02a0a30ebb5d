-- load_accounts: allots epochs and gives accounts of one partition as they are to be put into Redis.
--
-- For repair and for an emptied Redis: claims do not count. One row for each name, in no order;
-- nothing but the answer `ready` comes with an account. Asked again, it allots other epochs.
--
-- $1 of_partition      smallint
-- $2 journal_end       text
-- $3 organization_ids  text[]
-- -> organization_id text, answer text, partition smallint?, epoch bigint?, seq bigint?,
--    overage bigint?, debt bigint?, used bigint?, warned_percent smallint?, allowance bigint?,
--    status text?, frozen_reason text?, grace_until timestamptz?, period_no bigint?,
--    starts_at timestamptz?, ends_at timestamptz?, terms jsonb?, coming jsonb?, grants jsonb?
SELECT organization_id, answer, partition, epoch, seq, overage, debt, used, warned_percent,
       allowance, status, frozen_reason, grace_until, period_no, starts_at, ends_at, terms, coming,
       grants
FROM load_accounts($1, $2, $3)
