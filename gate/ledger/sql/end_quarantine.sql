-- end_quarantine: an entry was replayed.
--
-- $1 id  bigint
UPDATE quarantine SET replayed_at = now() WHERE id = $1 AND replayed_at IS NULL
