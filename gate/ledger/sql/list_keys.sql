-- list_keys: the rules of a table in their order: keys and references first, then checks.
--
-- Read for the schema page. Without NOT NULL, which is a rule of its own from PostgreSQL 18 on.
--
-- $1 table_name  text
-- -> definition text
SELECT pg_get_constraintdef(oid) AS definition
FROM pg_constraint
WHERE conrelid = $1::text::regclass AND contype IN ('p', 'u', 'f', 'c')
ORDER BY array_position('{p,u,f,c}', contype::text), conname COLLATE "C"
