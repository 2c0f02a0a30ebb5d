-- list_grants: what the group roles may do with tables, their columns and functions.
--
-- Read for the schema page. A right on columns is told once, with the columns in their order.
--
-- -> role text, privilege text, object text
SELECT role, privilege, object FROM (
    SELECT grantee::regrole::text AS role, privilege_type AS privilege, relname::text AS object
    FROM pg_class, aclexplode(relacl)
    WHERE relnamespace = current_schema()::regnamespace AND grantee <> relowner AND grantee <> 0
    UNION ALL
    SELECT grantee::regrole::text, privilege_type,
           format('%s (%s)', attrelid::regclass, string_agg(attname, ', ' ORDER BY attnum))
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid, aclexplode(attacl)
    WHERE relnamespace = current_schema()::regnamespace
    GROUP BY grantee, privilege_type, attrelid
    UNION ALL
    SELECT grantee::regrole::text, privilege_type, proname || '()'
    FROM pg_proc, aclexplode(proacl)
    WHERE pronamespace = current_schema()::regnamespace AND grantee <> proowner AND grantee <> 0
) AS granted
ORDER BY role COLLATE "C", object COLLATE "C", privilege COLLATE "C"
