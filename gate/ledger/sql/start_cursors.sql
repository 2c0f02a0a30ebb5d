-- start_cursors: gives cursors to partitions that have none: nothing is booked, but there is a row to lock.
--
-- Waits for whoever does the same, and leaves what that has made.
--
-- $1 partitions  smallint[]
INSERT INTO journal_cursor (partition, entry_id, digest)
SELECT partition, '', '' FROM unnest($1::smallint[]) AS missing (partition)
ORDER BY partition
ON CONFLICT DO NOTHING
