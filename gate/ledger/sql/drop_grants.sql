-- drop_grants: removes grants of which nothing is left.
--
-- $1 organization_ids  text[]
-- $2 kinds             text[]
-- $3 expires_at        timestamptz[]
DELETE FROM account_grant g
USING unnest($1::text[], $2::text[], $3::timestamptz[]) AS gone (organization_id, kind, expires_at)
WHERE g.organization_id = gone.organization_id AND g.kind = gone.kind
  AND g.expiry_day = coalesce((gone.expires_at AT TIME ZONE 'UTC')::date, 'infinity')
