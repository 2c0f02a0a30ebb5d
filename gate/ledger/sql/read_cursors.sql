-- read_cursors: how far the journals of some partitions are booked.
--
-- $1 partitions  smallint[]
-- -> partition smallint, entry_id text, digest bytea, deltas bigint
SELECT partition, entry_id, digest, deltas FROM journal_cursor WHERE partition = ANY ($1)
