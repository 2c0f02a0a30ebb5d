-- add_audit: who did what by hand, and to what.
--
-- $1 actor            text
-- $2 action           text
-- $3 organization_id  text
-- $4 target           text
-- $5 detail           jsonb
INSERT INTO audit_log (actor, action, organization_id, target, detail) VALUES ($1, $2, $3, $4, $5)
