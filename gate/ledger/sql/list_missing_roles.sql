-- list_missing_roles: which of the group roles are not there.
--
-- $1 roles  text[]
-- -> role text
SELECT role FROM unnest($1::text[]) AS role WHERE to_regrole(quote_ident(role)) IS NULL
