-- add_operation: records an operation; one that is there under its id stays as it is.
--
-- $1 organization_id  text
-- $2 id               text
-- $3 kind             text
-- $4 period_no        bigint?
-- $5 content          jsonb
-- $6 reference        text?
-- $7 reason           text?
-- $8 actor            text
INSERT INTO operation (organization_id, id, kind, period_no, content, reference, reason, actor)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT DO NOTHING
