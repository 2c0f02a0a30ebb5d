-- list_unbooked_operations: operations that are to be sent to their accounts, in order within an organization.
--
-- Those that an account took over, and that are not booked after $2 seconds, are sent again.
--
-- $1 partitions  smallint[]
-- $2 age_s       double precision
-- $3 count       integer
-- -> partition smallint, organization_id text, id text, kind text, content jsonb, period_no bigint?,
--    reference text?, reason text?, status text
SELECT a.partition, o.organization_id, o.id, o.kind, o.content, o.period_no, o.reference, o.reason,
       o.status
FROM operation o JOIN account a USING (organization_id)
WHERE o.status IN ('pending', 'applied') AND a.partition = ANY ($1)
  AND (o.status = 'pending' OR o.applied_at < now() - make_interval(secs => $2))
ORDER BY o.organization_id, o.number
LIMIT $3::integer
