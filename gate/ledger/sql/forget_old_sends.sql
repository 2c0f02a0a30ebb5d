-- forget_old_sends: removes the sends older than so many days; which partitions it dropped.
--
-- $1 keep_days  integer
-- -> name text
SELECT name FROM forget_sends((now() AT TIME ZONE 'UTC')::date - $1::integer) AS name;
