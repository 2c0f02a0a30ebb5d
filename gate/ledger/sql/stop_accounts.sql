-- stop_accounts: leaves misfits to a person: no more reloads, frozen in PostgreSQL and, by an operation, in Redis.
--
-- On repeat nothing happens: an account that is stopped is not stopped again.
--
-- $1 organization_ids  text[]
-- -> organization_id text
WITH stopped AS (
    UPDATE account SET repair_state = 'stopped', status = 'frozen', frozen_reason = 'repair'
    WHERE organization_id = ANY ($1) AND repair_state = 'reloading'
    RETURNING organization_id, epoch, seq
), frozen AS (
    INSERT INTO operation (organization_id, id, kind, content, reason, actor)
    SELECT organization_id, format('stop_%s_%s_%s', epoch, seq, to_char(now(), 'YYYYMMDDHH24MISSMS')), 'stop',
           '{"status": "frozen", "frozen_reason": "repair"}', 'reloaded too often, or differs by too much',
           'reconciler'
    FROM stopped
    ON CONFLICT DO NOTHING
), told AS (
    INSERT INTO drift_report (organization_id, kind, epoch, seq, action)
    SELECT organization_id, 'limit', epoch, seq, 'stop' FROM stopped
)
SELECT organization_id FROM stopped
