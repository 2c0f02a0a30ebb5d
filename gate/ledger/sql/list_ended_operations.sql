-- list_ended_operations: those of some operations that are booked, or never will be.
--
-- $1 organization_ids  text[]
-- $2 ids               text[]
-- -> organization_id text, id text
SELECT organization_id, id FROM operation
WHERE (organization_id, id) IN (SELECT * FROM unnest($1::text[], $2::text[]))
  AND status IN ('booked', 'stale', 'rejected')
