-- measure_accounts: what of some partitions waits for somebody: accounts under repair or stopped, operations, quarantine.
--
-- operation_age_s: of the oldest operation that is not booked; 0: there is none.
--
-- $1 partitions  smallint[]
-- -> reloading bigint, stopped bigint, operation_age_s double precision, quarantined bigint
SELECT
    (SELECT count(*) FROM account WHERE repair_state = 'reloading' AND partition = ANY ($1)) AS reloading,
    (SELECT count(*) FROM account WHERE repair_state = 'stopped' AND partition = ANY ($1)) AS stopped,
    (SELECT coalesce(extract(epoch FROM now() - min(o.created_at)), 0)::double precision
     FROM operation o JOIN account a USING (organization_id)
     WHERE o.status IN ('pending', 'applied') AND a.partition = ANY ($1)) AS operation_age_s,
    (SELECT count(*) FROM quarantine WHERE replayed_at IS NULL AND partition = ANY ($1)) AS quarantined
