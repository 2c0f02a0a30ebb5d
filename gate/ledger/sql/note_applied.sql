-- note_applied: accounts have taken operations over; they are not final until they are booked.
--
-- $1 organization_ids  text[]
-- $2 ids               text[]
UPDATE operation o SET status = 'applied', applied_at = now()
FROM unnest($1::text[], $2::text[]) AS done (organization_id, id)
WHERE o.organization_id = done.organization_id AND o.id = done.id
  AND o.status IN ('pending', 'applied')
