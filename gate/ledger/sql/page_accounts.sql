-- page_accounts: a page of a partition's accounts that were ever loaded, by their names.
--
-- $1 partition  smallint
-- $2 after      text
-- $3 count      bigint
-- -> organization_id text
SELECT organization_id FROM account
WHERE partition = $1 AND organization_id > $2 AND epoch > 0
ORDER BY organization_id LIMIT $3
