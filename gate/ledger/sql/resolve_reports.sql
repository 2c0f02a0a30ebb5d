-- resolve_reports: what was found of accounts up to an instant is over.
--
-- $1 organization_ids  text[]
-- $2 found_until       timestamptz
UPDATE drift_report SET resolved_at = now()
WHERE organization_id = ANY ($1) AND found_at <= $2 AND resolved_at IS NULL
