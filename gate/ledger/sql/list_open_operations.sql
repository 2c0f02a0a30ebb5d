-- list_open_operations: operations of some organizations that have not come back yet.
--
-- $1 organization_ids  text[]
-- -> organization_id text, id text, status text
SELECT organization_id, id, status
FROM operation
WHERE organization_id = ANY ($1) AND status IN ('pending', 'applied')
ORDER BY organization_id, number
