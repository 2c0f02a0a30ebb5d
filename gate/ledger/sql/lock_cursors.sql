-- lock_cursors: how far the journals of some partitions are booked; nobody else moves them until the end.
--
-- In the order of their numbers, so that two that lock several do not wait for each other.
--
-- $1 partitions  smallint[]
-- -> partition smallint, entry_id text, digest bytea, deltas bigint
SELECT partition, entry_id, digest, deltas FROM journal_cursor
WHERE partition = ANY ($1)
ORDER BY partition
FOR UPDATE
