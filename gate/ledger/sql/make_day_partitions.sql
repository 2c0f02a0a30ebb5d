-- make_day_partitions: makes the daily partitions from today on, where they are missing; how many.
--
-- $1 days  integer
-- -> made integer
SELECT ensure_ledger_partitions(today, $1) + ensure_send_partitions(today, $1) AS made
FROM (SELECT (now() AT TIME ZONE 'UTC')::date AS today) AS clock;
