-- find_sends: messages by their id, or by the hold that they were admitted under.
--
-- $1 organization_id  text
-- $2 id               text
-- $3 rows             bigint
-- -> id text, recipient_email text?, status text, counted_in_credits boolean,
--    credits_consumed bigint, skip_reason text?, error_message text?, provider_id text?,
--    hold_id text?, ledger_entry_no bigint?, sent_at timestamptz?, skipped_at timestamptz?,
--    created_at timestamptz
SELECT id, recipient_email, status::text, counted_in_credits, credits_consumed,
       skip_reason::text, error_message, provider_id, hold_id, ledger_entry_no, sent_at,
       skipped_at, created_at
FROM email_send
WHERE organization_id = $1 AND (id = $2 OR hold_id = $2)
ORDER BY created_at, id
LIMIT $3
