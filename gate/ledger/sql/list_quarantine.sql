-- list_quarantine: entries of journals that wait for a replay, in the order in which they came.
--
-- $1 count  integer
-- -> id bigint, partition smallint, entry_id text, fields bytea[], reason text
SELECT id, partition, entry_id, fields, reason FROM quarantine
WHERE replayed_at IS NULL
ORDER BY id
LIMIT $1::integer
