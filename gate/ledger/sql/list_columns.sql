-- list_columns: the columns of a table in their order.
--
-- Read for the schema page. What the server makes by itself counts as a default.
--
-- $1 table_name  text
-- -> name text, type text, not_null boolean, default_value text?, comment text?
SELECT attname::text AS name,
       replace(format_type(atttypid, atttypmod), 'timestamp with time zone', 'timestamptz') AS type,
       attnotnull AS not_null,
       CASE WHEN attidentity <> '' THEN 'identity' ELSE pg_get_expr(adbin, adrelid) END
           AS default_value,
       col_description(attrelid, attnum) AS comment
FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped
ORDER BY attnum
