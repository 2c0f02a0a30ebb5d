-- page_chain_ends: what accounts say of the end of their ledger, by organization.
--
-- Read in the snapshot in which the entries of these organizations were read to their end.
--
-- $1 behind  text
-- $2 before  text?
-- $3 rows    bigint
-- -> organization_id text, entry_no bigint, posted bigint, chain bytea, created_at timestamptz
SELECT organization_id, entry_no, posted, chain, created_at
FROM account
WHERE organization_id > $1 AND ($2::text IS NULL OR organization_id < $2)
ORDER BY organization_id
LIMIT $3
