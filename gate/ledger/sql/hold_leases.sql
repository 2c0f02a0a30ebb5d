-- hold_leases: renews a reconciler's leases, gives up what is beyond its share, takes what is free.
--
-- Free is what has no row, or one that has expired. Rows are locked in their order, and those that
-- somebody else works on are skipped: nobody waits, and nobody is given a row that another one took.
--
-- $1 owner  text
-- $2 ttl_s  double precision
-- $3 partitions  integer
-- $4 share  integer
-- -> partition smallint
WITH mine AS (
    SELECT partition FROM partition_lease WHERE owner = $1 ORDER BY partition
    FOR UPDATE SKIP LOCKED
), numbered AS (
    SELECT partition, row_number() OVER (ORDER BY partition) AS number FROM mine
), renewed AS (
    UPDATE partition_lease SET expires_at = clock_timestamp() + make_interval(secs => $2)
    WHERE partition IN (SELECT partition FROM numbered WHERE number <= $4::integer)
    RETURNING partition
), given_up AS (
    DELETE FROM partition_lease
    WHERE partition IN (SELECT partition FROM numbered WHERE number > $4::integer)
), expired AS (
    SELECT partition FROM partition_lease
    WHERE owner <> $1 AND expires_at < clock_timestamp() AND partition < $3::integer
    ORDER BY partition LIMIT greatest(0, $4::integer - (SELECT count(*) FROM mine))
    FOR UPDATE SKIP LOCKED
), taken_over AS (
    UPDATE partition_lease
    SET owner = $1, expires_at = clock_timestamp() + make_interval(secs => $2)
    WHERE partition IN (SELECT partition FROM expired)
    RETURNING partition
), unowned AS (
    SELECT number::smallint AS partition FROM generate_series(0, $3 - 1) AS number
    WHERE NOT EXISTS (SELECT FROM partition_lease WHERE partition = number)
    ORDER BY number
    LIMIT greatest(0, $4::integer - (SELECT count(*) FROM mine) - (SELECT count(*) FROM expired))
), taken AS (
    INSERT INTO partition_lease (partition, owner, expires_at)
    SELECT partition, $1, clock_timestamp() + make_interval(secs => $2) FROM unowned
    ON CONFLICT (partition) DO NOTHING
    RETURNING partition
)
SELECT partition FROM renewed
UNION ALL SELECT partition FROM taken_over
UNION ALL SELECT partition FROM taken;
