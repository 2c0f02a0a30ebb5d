-- list_enums: the enumerated types with their values in order.
--
-- Read for the schema page.
--
-- -> name text, labels text[]
SELECT typname::text AS name, array_agg(enumlabel::text ORDER BY enumsortorder) AS labels
FROM pg_type JOIN pg_enum ON enumtypid = pg_type.oid
WHERE typnamespace = current_schema()::regnamespace
GROUP BY typname
ORDER BY typname COLLATE "C"
