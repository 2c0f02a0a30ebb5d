-- find_quarantined: entries of the journal that could not be booked and name an id.
--
-- organization_id NULL: those of all organizations; else also those of which no organization could
-- be read. Reads the whole table, which should be empty.
--
-- $1 organization_id  text?
-- $2 id               text
-- -> partition smallint, entry_id text, organization_id text?, reason text, found_at timestamptz,
--    replayed_at timestamptz?
SELECT partition, entry_id, organization_id, reason, found_at, replayed_at
FROM quarantine
WHERE ($1::text IS NULL OR organization_id IS NULL OR organization_id = $1)
  AND convert_to($2, 'UTF8') = ANY (fields)
ORDER BY found_at
LIMIT 100
