-- read_grants: what is left of the grants of some accounts.
--
-- ANY takes as long to be planned as this to run: it compares each name with the commonest of all.
--
-- $1 organization_ids  text[]
-- -> organization_id text, kind text, expires_at timestamptz?, credits_left bigint
SELECT g.organization_id, g.kind, g.expires_at, g.credits_left
FROM unnest($1::text[]) AS asked (organization_id) JOIN account_grant g USING (organization_id)
