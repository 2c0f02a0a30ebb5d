-- mark_partition: every account of a partition is to be reloaded, and its journal to be booked from the start.
--
-- Accounts in repair stay as they are, and the count of deltas goes on. Where the cursor stood before
-- says nothing of this journal: nothing is trimmed until it is booked anew.
--
-- $1 partition  smallint
-- $2 reason     text
WITH marked AS (
    UPDATE account SET repair_state = 'reloading', repair_reason = $2, repair_since = now()
    WHERE partition = $1 AND repair_state = 'ok'
), forgotten AS (
    DELETE FROM cursor_history WHERE partition = $1
)
INSERT INTO journal_cursor (partition, entry_id, digest) VALUES ($1, '', '')
ON CONFLICT (partition) DO UPDATE SET entry_id = '', digest = '', updated_at = now()
