-- read_clock: PostgreSQL's clock, in seconds since 1970.
--
-- -> now_s double precision
SELECT extract(epoch FROM clock_timestamp())::double precision AS now_s;
