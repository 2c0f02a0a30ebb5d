-- read_operations: operations by their ids.
--
-- $1 organization_ids  text[]
-- $2 ids               text[]
-- -> organization_id text, id text, kind text, content jsonb, period_no bigint?, reference text?,
--    reason text?, status text
SELECT o.organization_id, o.id, o.kind, o.content, o.period_no, o.reference, o.reason, o.status
FROM unnest($1::text[], $2::text[]) AS asked (organization_id, id)
JOIN operation o ON o.organization_id = asked.organization_id AND o.id = asked.id
