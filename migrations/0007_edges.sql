-- What comes in from the payment provider, what goes out as events, who may call, and what they did.
SET LOCAL lock_timeout = '5s';

CREATE TABLE stripe_inbox (
    id text PRIMARY KEY,
    type text NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    processed_at timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    error text
);
COMMENT ON TABLE stripe_inbox IS 'Events of the payment provider, each kept once before it is acted on.';
COMMENT ON COLUMN stripe_inbox.created_at IS 'When it happened there';
COMMENT ON COLUMN stripe_inbox.error IS 'Why the last attempt failed';

CREATE INDEX stripe_inbox_open ON stripe_inbox (received_at) WHERE processed_at IS NULL;

CREATE TABLE event_outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject text NOT NULL,
    message_id text NOT NULL UNIQUE,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz
);
COMMENT ON TABLE event_outbox IS 'Events to publish, written in the transaction of what they tell.';
COMMENT ON COLUMN event_outbox.message_id IS 'Made from what it tells, so that the same news is one row: insert with ON CONFLICT DO NOTHING';

CREATE INDEX event_outbox_open ON event_outbox (id) WHERE sent_at IS NULL;

CREATE TABLE api_key (
    id text PRIMARY KEY,
    organization_id text REFERENCES organization,
    name text NOT NULL,
    key_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(key_sha256) = 32),
    scopes text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz,
    expires_at timestamptz,
    revoked_at timestamptz
);
COMMENT ON TABLE api_key IS 'Who may call the API. The key itself is not kept.';
COMMENT ON COLUMN api_key.organization_id IS 'The one organization that it opens; NULL: all';

CREATE TABLE audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    happened_at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,
    action text NOT NULL,
    organization_id text,
    target text,
    request_id text,
    detail jsonb NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE audit_log IS 'Who did what by hand or by API.';
COMMENT ON COLUMN audit_log.target IS 'What it was done to: an id';

CREATE INDEX audit_log_history ON audit_log (organization_id, happened_at);
