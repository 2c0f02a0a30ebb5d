-- add_events: events to publish; what was told before is not told again.
--
-- $1 subjects     text[]
-- $2 message_ids  text[]
-- $3 payloads     jsonb[]
INSERT INTO event_outbox (subject, message_id, payload)
SELECT * FROM unnest($1::text[], $2::text[], $3::jsonb[])
ON CONFLICT DO NOTHING
