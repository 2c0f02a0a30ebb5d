-- count_default_rows: rows of days that had no partition of their own, counted up to a limit.
--
-- $1 counted_max  bigint
-- -> parent text, rows bigint, first_day date?
SELECT 'credit_ledger' AS parent, count(*) AS rows,
       min(booked_at AT TIME ZONE 'UTC')::date AS first_day
FROM (SELECT booked_at FROM credit_ledger_default LIMIT $1) AS counted
UNION ALL
SELECT 'email_send', count(*), min(created_at AT TIME ZONE 'UTC')::date
FROM (SELECT created_at FROM email_send_default LIMIT $1) AS counted
