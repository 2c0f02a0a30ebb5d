-- settle_operations: operations whose deltas came back: booked, which is final, or stale.
--
-- $1 organization_ids  text[]
-- $2 ids               text[]
-- $3 status            text[]
-- $4 epoch             bigint[]
-- $5 seq               bigint[]
UPDATE operation o
SET status = new.status,
    booked_at = CASE WHEN new.status = 'booked' THEN now() END,
    booked_epoch = CASE WHEN new.status = 'booked' THEN new.epoch END,
    booked_seq = CASE WHEN new.status = 'booked' THEN new.seq END
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])
    AS new (organization_id, id, status, epoch, seq)
WHERE o.organization_id = new.organization_id AND o.id = new.id AND o.status <> 'booked'
