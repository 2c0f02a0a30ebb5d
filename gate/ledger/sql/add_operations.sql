-- add_operations: records operations in their order; one that is there under its id stays as it is.
--
-- $1 organization_ids  text[]
-- $2 ids               text[]
-- $3 kinds             text[]
-- $4 period_no         bigint[]
-- $5 contents          jsonb[]
-- $6 references        text[]
-- $7 reasons           text[]
-- $8 actor             text
INSERT INTO operation (organization_id, id, kind, period_no, content, reference, reason, actor)
SELECT organization_id, id, kind, period_no, content, reference, reason, $8
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::jsonb[], $6::text[], $7::text[])
    WITH ORDINALITY
    AS new (organization_id, id, kind, period_no, content, reference, reason, place)
ORDER BY place
ON CONFLICT DO NOTHING
