-- read_accounts: the booked images of accounts, without their grants.
--
-- The subscription is the one that is not cancelled, else the newest. Terms and periods to come are
-- text, because many accounts share them.
--
-- $1 organization_ids  text[]
-- -> organization_id text, partition smallint, subscription_id text?, epoch bigint, seq bigint,
--    posted bigint, held bigint, overage bigint, debt bigint, used bigint, warned_percent smallint,
--    allowance bigint, status text, frozen_reason text?, grace_until timestamptz?,
--    period_no bigint, starts_at timestamptz?, ends_at timestamptz?, terms text, coming text,
--    entry_no bigint, chain bytea, look_up_until timestamptz?, sends_until timestamptz?,
--    repair_state text, repair_reason text?, last_delta_at timestamptz?, loaded_at timestamptz?
SELECT organization_id, partition,
       coalesce(
           (SELECT id FROM subscription s
            WHERE s.organization_id = a.organization_id AND s.status <> 'cancelled'),
           (SELECT id FROM subscription s
            WHERE s.organization_id = a.organization_id ORDER BY created_at DESC, id DESC LIMIT 1)
       ) AS subscription_id,
       epoch, seq, posted, held, overage, debt, used, warned_percent, allowance, status,
       frozen_reason, grace_until, period_no, starts_at, ends_at, terms::text AS terms,
       coming::text AS coming, entry_no, chain, look_up_until, sends_until, repair_state,
       repair_reason, last_delta_at, loaded_at
FROM unnest($1::text[]) AS asked (organization_id) JOIN account a USING (organization_id)
