-- list_partition_states: how far each partition's journal is booked, and who works on it.
--
-- A lease that has expired is told with its last owner.
--
-- -> partition smallint, entry_id text?, deltas bigint?, moved_at timestamptz?, owner text?,
--    is_leased boolean?
SELECT partition, c.entry_id, c.deltas, c.updated_at AS moved_at, l.owner,
       l.expires_at > clock_timestamp() AS is_leased
FROM journal_cursor AS c FULL JOIN partition_lease AS l USING (partition)
ORDER BY partition
