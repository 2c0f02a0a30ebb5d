-- change_sends: what became of messages that are there; created_at names the partition.
--
-- $1 organization_ids     text[]
-- $2 ids                  text[]
-- $3 created_at           timestamptz[]
-- $4 status               text[]
-- $5 counted_in_credits   boolean[]
-- $6 credits_consumed     bigint[]
-- $7 provider_id          text[]
-- $8 skip_reason          text[]
-- $9 error_message        text[]
-- $10 hold_id             text[]
-- $11 ledger_entry_no     bigint[]
-- $12 sent_at             timestamptz[]
-- $13 skipped_at          timestamptz[]
UPDATE email_send s
SET status = new.status::email_send_status, counted_in_credits = new.counted_in_credits,
    credits_consumed = new.credits_consumed, provider_id = new.provider_id,
    skip_reason = new.skip_reason::skip_reason, error_message = new.error_message,
    hold_id = new.hold_id, ledger_entry_no = new.ledger_entry_no, sent_at = new.sent_at,
    skipped_at = new.skipped_at
FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::boolean[], $6::bigint[],
            $7::text[], $8::text[], $9::text[], $10::text[], $11::bigint[], $12::timestamptz[],
            $13::timestamptz[])
    AS new (organization_id, id, created_at, status, counted_in_credits, credits_consumed,
            provider_id, skip_reason, error_message, hold_id, ledger_entry_no, sent_at, skipped_at)
WHERE s.organization_id = new.organization_id AND s.id = new.id AND s.created_at = new.created_at
