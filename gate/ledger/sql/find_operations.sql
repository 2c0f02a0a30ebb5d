-- find_operations: an operation by its id, and the reversals of facts, whatever became of them.
--
-- $1 organization_id  text
-- $2 ids              text[]
-- $3 facts            text[]
-- -> id text, kind text, period_no bigint?, content jsonb, reference text?, reason text?,
--    actor text?, status text, created_at timestamptz, applied_at timestamptz?,
--    booked_at timestamptz?, booked_epoch bigint?, booked_seq bigint?
SELECT id, kind, period_no, content, reference, reason, actor, status, created_at, applied_at,
       booked_at, booked_epoch, booked_seq
FROM operation
WHERE organization_id = $1
  AND (id = ANY ($2) OR (id LIKE 'rev\_%' AND reference = ANY ($3)))
ORDER BY number
LIMIT 100
