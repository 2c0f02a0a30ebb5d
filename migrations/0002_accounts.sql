-- The booked image of every live account: what Redis is compared with, and loaded from.
SET LOCAL lock_timeout = '5s';

-- No CHECK on numbers: what came out of Redis is booked as it is, and judged afterwards.
CREATE TABLE account (
    organization_id text PRIMARY KEY REFERENCES organization,
    partition smallint NOT NULL,
    epoch bigint NOT NULL DEFAULT 0,
    seq bigint NOT NULL DEFAULT 0,
    posted bigint NOT NULL DEFAULT 0,
    held bigint NOT NULL DEFAULT 0,
    overage bigint NOT NULL DEFAULT 0,
    debt bigint NOT NULL DEFAULT 0,
    used bigint NOT NULL DEFAULT 0,
    warned_percent smallint NOT NULL DEFAULT 0,
    allowance bigint NOT NULL DEFAULT 0,
    status text NOT NULL DEFAULT 'active'
        CHECK (status IN ('active', 'trialing', 'past_due', 'paused', 'cancelled', 'frozen')),
    frozen_reason text CHECK (frozen_reason IN ('debt', 'repair')),
    grace_until timestamptz,
    period_no bigint NOT NULL DEFAULT 1,
    starts_at timestamptz,
    ends_at timestamptz,
    terms jsonb NOT NULL,
    coming jsonb NOT NULL DEFAULT '[]',
    entry_no bigint NOT NULL DEFAULT 0,
    chain bytea NOT NULL DEFAULT '',
    loaded_at timestamptz,
    last_delta_at timestamptz,
    repair_state text NOT NULL DEFAULT 'ok' CHECK (repair_state IN ('ok', 'reloading', 'stopped')),
    repair_reason text,
    created_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);
COMMENT ON TABLE account IS 'The live account of an organization as it was at (epoch, seq), the last delta that is booked.';
COMMENT ON COLUMN account.partition IS 'Which partition of Redis it lives in';
COMMENT ON COLUMN account.epoch IS 'Number of its last load into Redis; 0: never loaded';
COMMENT ON COLUMN account.seq IS 'Number of its last booked delta';
COMMENT ON COLUMN account.posted IS 'Credits: left of all grants − overage − debt; balance_after of its last entry';
COMMENT ON COLUMN account.held IS 'Credits in open holds at (epoch, seq)';
COMMENT ON COLUMN account.overage IS 'Credits used past the grants within the plan''s limit';
COMMENT ON COLUMN account.debt IS 'Credits that had to be booked past that';
COMMENT ON COLUMN account.used IS 'Credits settled in this period';
COMMENT ON COLUMN account.warned_percent IS 'The last warning threshold that was crossed in this period; 0: none';
COMMENT ON COLUMN account.allowance IS 'Credits of kind base and rollover that this period was given: the basis of warnings';
COMMENT ON COLUMN account.grace_until IS 'Until when past_due admits';
COMMENT ON COLUMN account.ends_at IS 'End of the running period; NULL: it does not end';
COMMENT ON COLUMN account.terms IS 'What the plan allows: the fields of gate.domain.accounts.Terms';
COMMENT ON COLUMN account.coming IS 'The periods after this one, in order: gate.domain.accounts.ComingPeriod';
COMMENT ON COLUMN account.entry_no IS 'How many entries the ledger has of it';
COMMENT ON COLUMN account.chain IS 'chain of its last entry; empty: no entry yet';
COMMENT ON COLUMN account.loaded_at IS 'When its last load was booked';
COMMENT ON COLUMN account.last_delta_at IS 'When its last booked delta happened in Redis';
COMMENT ON COLUMN account.repair_state IS 'ok, reloading, or stopped: a person decides';

CREATE INDEX account_of_partition ON account (partition, organization_id);
CREATE INDEX account_period_end ON account (ends_at) WHERE ends_at IS NOT NULL;

CREATE TABLE account_grant (
    organization_id text NOT NULL REFERENCES account ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('rollover', 'base', 'purchased')),
    expiry_day date NOT NULL DEFAULT 'infinity',
    expires_at timestamptz,
    credits_left bigint NOT NULL,
    PRIMARY KEY (organization_id, kind, expiry_day)
) WITH (fillfactor = 70);
COMMENT ON TABLE account_grant IS 'What is left of the credits that an account was given. Equal kind and expiry day are one grant.';
COMMENT ON COLUMN account_grant.expiry_day IS 'UTC day of expires_at; infinity: with the period, or never';
COMMENT ON COLUMN account_grant.expires_at IS 'NULL: base and rollover with the period, purchased never';
