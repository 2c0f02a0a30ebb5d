-- list_reported: the accounts of a partition with open reports, and when the last was found.
--
-- $1 partition  smallint
-- -> organization_id text, found_at timestamptz
SELECT organization_id, max(found_at) AS found_at
FROM drift_report JOIN account USING (organization_id)
WHERE resolved_at IS NULL AND partition = $1
GROUP BY organization_id
