-- read_status: the status of an organization's newest subscription, the cancelled ones last.
--
-- $1 organization_id  text
-- -> status text
SELECT status::text FROM subscription WHERE organization_id = $1
ORDER BY status = 'cancelled', created_at DESC, id DESC LIMIT 1
