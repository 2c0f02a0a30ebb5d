-- count_booked: how many entries the accounts count, of one organization or of all.
--
-- For progress alone: entries in detached partitions are among them.
--
-- $1 organization_id  text?
-- -> entries bigint
SELECT coalesce(sum(entry_no), 0)::bigint AS entries
FROM account
WHERE $1::text IS NULL OR organization_id = $1
