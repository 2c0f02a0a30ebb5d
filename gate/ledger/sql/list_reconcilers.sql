-- list_reconcilers: the reconcilers that are alive.
--
-- One that died stands in the table until it has expired, or until it is cleared away.
--
-- -> owner text, expires_at timestamptz
SELECT owner, expires_at
FROM reconciler_member
WHERE expires_at > clock_timestamp()
ORDER BY owner COLLATE "C"
