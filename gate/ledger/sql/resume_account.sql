-- resume_account: a person has looked: an account that was stopped is to be reloaded.
--
-- No row if it is not stopped.
--
-- $1 organization_id  text
-- -> epoch bigint, seq bigint
UPDATE account SET repair_state = 'reloading', repair_reason = 'person', repair_since = now()
WHERE organization_id = $1 AND repair_state = 'stopped'
RETURNING epoch, seq
