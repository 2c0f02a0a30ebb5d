-- reshape_accounts: what of accounts is not a number that every delta moves: status, period, terms.
--
-- $1 organization_ids  text[]
-- $2 status            text[]
-- $3 frozen_reason     text[]
-- $4 grace_until       timestamptz[]
-- $5 period_no         bigint[]
-- $6 starts_at         timestamptz[]
-- $7 ends_at           timestamptz[]
-- $8 terms             jsonb[]
-- $9 coming            jsonb[]
-- $10 allowance        bigint[]
-- $11 loaded_at        timestamptz[]
UPDATE account a
SET status = new.status, frozen_reason = new.frozen_reason, grace_until = new.grace_until,
    period_no = new.period_no, starts_at = new.starts_at, ends_at = new.ends_at,
    terms = new.terms, coming = new.coming, allowance = new.allowance, loaded_at = new.loaded_at
FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::bigint[],
            $6::timestamptz[], $7::timestamptz[], $8::jsonb[], $9::jsonb[], $10::bigint[],
            $11::timestamptz[])
    AS new (organization_id, status, frozen_reason, grace_until, period_no, starts_at, ends_at,
            terms, coming, allowance, loaded_at)
WHERE a.organization_id = new.organization_id
