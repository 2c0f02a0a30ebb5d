-- list_daily_tables: the daily partitions of the ledger and of the sends, detached ones included.
--
-- Told apart by their names, which ensure_partitions gives them; a detached one may be dropped or
-- moved away at any time.
--
-- -> parent text, day date, attached boolean
SELECT left(relname, -10)::text AS parent,
       to_date(right(relname, 8), 'YYYYMMDD') AS day,
       relispartition AS attached
FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
  AND relname ~ '^(credit_ledger|email_send)_p\d{8}$'
ORDER BY relname COLLATE "C"
