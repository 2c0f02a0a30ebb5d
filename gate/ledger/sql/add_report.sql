-- add_report: an account was found to differ; what every sweep finds again is told once.
--
-- $1 organization_id  text
-- $2 kind             text
-- $3 epoch            bigint
-- $4 seq              bigint
-- $5 live             jsonb
-- $6 booked           jsonb
-- $7 credits          bigint?
-- $8 action           text
INSERT INTO drift_report (organization_id, kind, epoch, seq, live, booked, credits, action)
SELECT $1, $2, $3, $4, $5, $6, $7, $8
WHERE NOT EXISTS (
    SELECT FROM drift_report
    WHERE organization_id = $1 AND kind = $2 AND epoch = $3 AND seq = $4 AND action = $8
      AND resolved_at IS NULL)
