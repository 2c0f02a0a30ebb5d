-- list_tables: the tables of the schema, without partitions and without the migrations' own.
--
-- Read for the schema page; the order of the names is the order of the page.
--
-- -> name text, comment text?, partition_key text?
SELECT relname::text AS name,
       obj_description(oid, 'pg_class') AS comment,
       pg_get_partkeydef(oid) AS partition_key
FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
  AND NOT relispartition AND relname <> 'schema_migration'
ORDER BY relname COLLATE "C"
