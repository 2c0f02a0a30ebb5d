-- put_grants: what is left of grants that were moved, new ones too.
--
-- $1 organization_ids  text[]
-- $2 kinds             text[]
-- $3 expires_at        timestamptz[]
-- $4 credits_left      bigint[]
INSERT INTO account_grant (organization_id, kind, expiry_day, expires_at, credits_left)
SELECT organization_id, kind, coalesce((expires_at AT TIME ZONE 'UTC')::date, 'infinity'),
       expires_at, credits_left
FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::bigint[])
    AS new (organization_id, kind, expires_at, credits_left)
ON CONFLICT (organization_id, kind, expiry_day) DO UPDATE
SET expires_at = excluded.expires_at, credits_left = excluded.credits_left
