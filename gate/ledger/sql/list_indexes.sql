-- list_indexes: the indexes of a table that no rule brings.
--
-- Read for the schema page.
--
-- $1 table_name  text
-- -> name text, definition text, comment text?
SELECT relname::text AS name,
       regexp_replace(pg_get_indexdef(oid), '^CREATE (UNIQUE )?INDEX .* USING ', '\1') AS definition,
       obj_description(oid, 'pg_class') AS comment
FROM pg_class JOIN pg_index ON indexrelid = oid
WHERE indrelid = $1::text::regclass
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
ORDER BY relname COLLATE "C"
