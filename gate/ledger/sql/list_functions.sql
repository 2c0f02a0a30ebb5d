-- list_functions: the functions with what they take and give.
--
-- Read for the schema page.
--
-- -> name text, arguments text, result text, comment text?
SELECT proname::text AS name,
       pg_get_function_arguments(oid) AS arguments,
       pg_get_function_result(oid) AS result,
       obj_description(oid, 'pg_proc') AS comment
FROM pg_proc
WHERE pronamespace = current_schema()::regnamespace
ORDER BY proname COLLATE "C"
