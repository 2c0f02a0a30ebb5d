-- list_trim_points: where cursors stood as late as possible, but longer ago than the margin.
--
-- $1 partitions  smallint[]
-- $2 margin_s    double precision
-- -> partition smallint, entry_id text, digest bytea
SELECT DISTINCT ON (partition) partition, entry_id, digest FROM cursor_history
WHERE partition = ANY ($1) AND booked_at <= now() - make_interval(secs => $2)
ORDER BY partition, booked_at DESC
