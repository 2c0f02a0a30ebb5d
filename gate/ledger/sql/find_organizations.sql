-- find_organizations: which organizations know an id: as a settlement, operation, message, hold, or in quarantine.
--
-- No index begins with these columns: each branch reads one whole index, under a short time limit.
--
-- $1 id    text
-- $2 rows  bigint
-- -> organization_id text
SELECT organization_id FROM operation WHERE id = $1
UNION SELECT organization_id FROM email_send WHERE id = $1
UNION SELECT organization_id FROM email_send WHERE hold_id = $1
UNION SELECT organization_id FROM credit_ledger WHERE settlement_id = $1
UNION SELECT organization_id FROM credit_ledger WHERE operation_id = $1
UNION SELECT organization_id FROM quarantine
      WHERE organization_id IS NOT NULL AND convert_to($1, 'UTF8') = ANY (fields)
LIMIT $2
