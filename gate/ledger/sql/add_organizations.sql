-- add_organizations: organizations that are new; those that are there stay as they are.
--
-- $1 ids             text[]
-- $2 names           text[]
-- $3 billing_emails  text[]
-- $4 timezones       text[]
-- $5 anchor_days     smallint[]
-- -> id text
INSERT INTO organization (id, name, billing_email, timezone, anchor_day)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::smallint[])
ON CONFLICT DO NOTHING
RETURNING id
