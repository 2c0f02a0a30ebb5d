-- load_account: allots an epoch and gives an account as it is to be put into Redis, if it is time.
--
-- The one thing that a sender's role may call. Asked again, it allots another epoch, or says that the
-- account is claimed; nothing but the answer `ready` comes with an account.
--
-- $1 organization_id  text
-- $2 journal_end      text
-- $3 repairing        boolean
-- -> organization_id text, answer text, partition smallint?, epoch bigint?, seq bigint?,
--    overage bigint?, debt bigint?, used bigint?, warned_percent smallint?, allowance bigint?,
--    status text?, frozen_reason text?, grace_until timestamptz?, period_no bigint?,
--    starts_at timestamptz?, ends_at timestamptz?, terms jsonb?, coming jsonb?, grants jsonb?
SELECT $1 AS organization_id, answer, partition, epoch, seq, overage, debt, used, warned_percent,
       allowance, status, frozen_reason, grace_until, period_no, starts_at, ends_at, terms, coming,
       grants
FROM load_account($1, $2, $3)
