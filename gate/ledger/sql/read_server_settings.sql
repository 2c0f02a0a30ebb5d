-- read_server_settings: what decides whether this PostgreSQL keeps what it was told.
--
-- -> version text, is_replica boolean, fsync text, full_page_writes text, synchronous_commit text,
--    today date
SELECT current_setting('server_version') AS version,
       pg_is_in_recovery() AS is_replica,
       current_setting('fsync') AS fsync,
       current_setting('full_page_writes') AS full_page_writes,
       current_setting('synchronous_commit') AS synchronous_commit,
       (clock_timestamp() AT TIME ZONE 'UTC')::date AS today
