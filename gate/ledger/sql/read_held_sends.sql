-- read_held_sends: messages that are still queued under holds that end.
--
-- $1 organization_ids  text[]
-- $2 hold_ids          text[]
-- $3 since             timestamptz[]
-- -> organization_id text, id text, status text, counted_in_credits boolean,
--    credits_consumed bigint, provider_id text?, skip_reason text?, error_message text?,
--    hold_id text?, ledger_entry_no bigint?, sent_at timestamptz?, skipped_at timestamptz?,
--    created_at timestamptz
SELECT asked.organization_id, s.id, status::text AS status, counted_in_credits,
       credits_consumed, provider_id, skip_reason::text AS skip_reason, error_message, s.hold_id,
       ledger_entry_no, sent_at, skipped_at, created_at
FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS asked (organization_id, hold_id, since)
CROSS JOIN LATERAL (
    SELECT * FROM email_send s
    WHERE s.organization_id = asked.organization_id AND s.hold_id = asked.hold_id
      AND s.status = 'queued' AND s.created_at >= asked.since
    OFFSET 0
) s
