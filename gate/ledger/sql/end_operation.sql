-- end_operation: an operation that will never be booked: stale, or rejected with the reason.
--
-- $1 organization_id  text
-- $2 id               text
-- $3 status           text
-- $4 why              text?
UPDATE operation SET status = $3, reason = coalesce($4, reason)
WHERE organization_id = $1 AND id = $2 AND status IN ('pending', 'applied')
