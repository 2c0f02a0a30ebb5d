-- add_email_counts: adds messages to what organizations sent, or did not send, on days.
--
-- $1 organization_ids  text[]
-- $2 days              date[]
-- $3 queued            bigint[]
-- $4 sent              bigint[]
-- $5 skipped           bigint[]
-- $6 failed            bigint[]
-- $7 bounced           bigint[]
INSERT INTO usage_day AS u (organization_id, day, emails_queued, emails_sent, emails_skipped,
                            emails_failed, emails_bounced)
SELECT * FROM unnest($1::text[], $2::date[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
                     $7::bigint[])
ON CONFLICT (organization_id, day) DO UPDATE
SET emails_queued = u.emails_queued + excluded.emails_queued,
    emails_sent = u.emails_sent + excluded.emails_sent,
    emails_skipped = u.emails_skipped + excluded.emails_skipped,
    emails_failed = u.emails_failed + excluded.emails_failed,
    emails_bounced = u.emails_bounced + excluded.emails_bounced
