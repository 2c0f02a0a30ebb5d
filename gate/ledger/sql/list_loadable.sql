-- list_loadable: the accounts of a partition that may have to be loaded, those used last first.
--
-- Those that were loaded before, and with `everything` those that never were. wanted: no others
-- than these; NULL for all.
--
-- $1 partition   smallint
-- $2 everything  boolean
-- $3 wanted      text[]?
-- -> organization_id text
SELECT organization_id FROM account
WHERE partition = $1 AND (epoch > 0 OR $2) AND ($3::text[] IS NULL OR organization_id = ANY ($3))
ORDER BY last_delta_at DESC NULLS LAST
