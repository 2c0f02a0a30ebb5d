-- add_reversals: operations that give back what was booked twice; one that is there stays as it is.
--
-- $1 organization_ids  text[]
-- $2 ids               text[]
-- $3 kinds             text[]
-- $4 contents          jsonb[]
-- $5 references        text[]
-- $6 reasons           text[]
INSERT INTO operation (organization_id, id, kind, content, reference, reason, actor)
SELECT *, 'reconciler' FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[], $5::text[],
                                   $6::text[])
ON CONFLICT DO NOTHING
