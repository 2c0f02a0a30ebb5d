-- read_grants: what is left of the grants of some accounts.
--
-- $1 organization_ids  text[]
-- -> organization_id text, kind text, expires_at timestamptz?, credits_left bigint
SELECT organization_id, kind, expires_at, credits_left FROM account_grant
WHERE organization_id = ANY ($1)
