-- One row per message and recipient, in daily partitions, so that forgetting them is cheap.
SET LOCAL lock_timeout = '5s';

CREATE TYPE email_send_status AS ENUM ('queued', 'sent', 'skipped', 'failed', 'bounced');
CREATE TYPE skip_reason AS ENUM (
    'over_limit', 'unsubscribed', 'duplicate', 'invalid_address', 'suppressed', 'dry_run'
);

-- As in the ledger, nothing here may make a COPY fail.
CREATE TABLE email_send (
    id text NOT NULL,
    organization_id text NOT NULL,
    subscription_id text,
    recipient_email text,
    subject text,
    status email_send_status NOT NULL DEFAULT 'queued',
    counted_in_credits boolean NOT NULL DEFAULT false,
    credits_consumed bigint NOT NULL DEFAULT 0,
    provider_id text,
    provider_name text,
    skip_reason skip_reason,
    error_message text,
    hold_id text,
    ledger_entry_no bigint,
    sent_at timestamptz,
    skipped_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
) PARTITION BY RANGE (created_at);
COMMENT ON TABLE email_send IS 'What became of one message to one recipient, and the entry that paid for it.';
COMMENT ON COLUMN email_send.recipient_email IS 'NULL: erased';
COMMENT ON COLUMN email_send.counted_in_credits IS 'Whether credits were charged for it';
COMMENT ON COLUMN email_send.credits_consumed IS 'Credits that were charged for it';
COMMENT ON COLUMN email_send.provider_id IS 'The message''s id at the provider';
COMMENT ON COLUMN email_send.hold_id IS 'The hold or spend that it was admitted under; email_log_id on the platform';
COMMENT ON COLUMN email_send.ledger_entry_no IS 'credit_ledger.entry_no that paid for it';
COMMENT ON COLUMN email_send.created_at IS 'When the first news of it happened in Redis; decides the partition';

CREATE TABLE email_send_default PARTITION OF email_send DEFAULT;

CREATE INDEX email_send_identity ON email_send (organization_id, id);
CREATE INDEX email_send_hold ON email_send (organization_id, hold_id);

CREATE FUNCTION ensure_send_partitions(from_day date, days integer)
RETURNS integer LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT count(*)::integer FROM ensure_partitions('email_send', from_day, days);
$$;
COMMENT ON FUNCTION ensure_send_partitions IS 'Makes the partitions of email_send of so many days from a day on, where they are missing; how many it made';

CREATE FUNCTION forget_sends(before_day date, keep_tables boolean DEFAULT false)
RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT detach_partitions('email_send', before_day) LOOP
        IF NOT keep_tables THEN
            EXECUTE format('DROP TABLE %s', name);
        END IF;
        RETURN NEXT name;
    END LOOP;
    DELETE FROM email_send_default WHERE created_at < before_day::timestamp AT TIME ZONE 'UTC';
END
$$;
COMMENT ON FUNCTION forget_sends IS 'Removes the sends of the days before a day; which partitions it detached, and dropped unless they are to be kept';

REVOKE ALL ON FUNCTION ensure_send_partitions, forget_sends FROM PUBLIC;
