-- end_lost_operation: an operation that its account took over, and whose delta was lost: a gap stands for it.
--
-- Nothing happens where its delta was booked after all. Answers whether it was ended.
--
-- $1 organization_id  text
-- $2 id               text
-- $3 why              text
-- -> id text
UPDATE operation o SET status = 'booked', booked_at = now(), reason = coalesce(reason || '; ', '') || $3
WHERE organization_id = $1 AND id = $2 AND status IN ('pending', 'applied')
  AND NOT EXISTS (
      SELECT FROM credit_ledger l WHERE l.operation_id = o.id AND l.organization_id = o.organization_id
  )
RETURNING id
