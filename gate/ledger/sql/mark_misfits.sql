-- mark_misfits: accounts that differ are to be reloaded; those under repair stay as they are.
--
-- $1 organization_ids  text[]
UPDATE account SET repair_state = 'reloading', repair_reason = 'drift', repair_since = now()
WHERE organization_id = ANY ($1) AND repair_state = 'ok'
