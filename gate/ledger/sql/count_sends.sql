-- count_sends: how many messages of organizations came to what, of those whose ids begin in a certain way.
--
-- $1 organization_ids  text[]
-- $2 id_prefix         text
-- -> organization_id text, status text, sends bigint
SELECT organization_id, status::text AS status, count(*) AS sends
FROM email_send
WHERE organization_id = ANY ($1) AND starts_with(id, $2)
GROUP BY organization_id, status
