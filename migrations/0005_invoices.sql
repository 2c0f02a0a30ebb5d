-- What organizations are asked to pay, what they paid, and what they used day by day.
SET LOCAL lock_timeout = '5s';

CREATE TYPE invoice_status AS ENUM ('draft', 'open', 'paid', 'void', 'uncollectible');
CREATE TYPE billing_transaction_kind AS ENUM (
    'charge', 'refund', 'dispute', 'credit_note', 'adjustment'
);
CREATE TYPE billing_transaction_status AS ENUM ('pending', 'succeeded', 'failed', 'reversed');

CREATE TABLE billing_invoice (
    id text PRIMARY KEY,
    organization_id text NOT NULL REFERENCES organization,
    subscription_id text REFERENCES subscription,
    period_no bigint,
    period_start timestamptz,
    period_end timestamptz,
    status invoice_status NOT NULL DEFAULT 'draft',
    credits_included bigint NOT NULL DEFAULT 0,
    credits_used bigint NOT NULL DEFAULT 0,
    overage_credits bigint NOT NULL DEFAULT 0,
    base_amount numeric(24, 2) NOT NULL DEFAULT 0,
    overage_amount numeric(24, 2) NOT NULL DEFAULT 0,
    total_amount numeric(24, 2) NOT NULL DEFAULT 0,
    currency char(3) NOT NULL DEFAULT 'USD',
    external_invoice_id text UNIQUE,
    issued_at timestamptz,
    due_at timestamptz,
    paid_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (subscription_id, period_no)
);
COMMENT ON TABLE billing_invoice IS 'A statement: drafted when a period turns, one for each subscription and period.';
COMMENT ON COLUMN billing_invoice.period_no IS 'The period that it closes; NULL: a purchase by itself';
COMMENT ON COLUMN billing_invoice.credits_included IS 'Credits that the period was given';
COMMENT ON COLUMN billing_invoice.credits_used IS 'Credits settled in the period';
COMMENT ON COLUMN billing_invoice.overage_credits IS 'Credits of these past the grants';
COMMENT ON COLUMN billing_invoice.external_invoice_id IS 'The invoice at the payment provider';

CREATE INDEX billing_invoice_history ON billing_invoice (organization_id, created_at);

CREATE TABLE invoice_line (
    invoice_id text NOT NULL REFERENCES billing_invoice ON DELETE CASCADE,
    line_no integer NOT NULL,
    kind text NOT NULL,
    description text,
    credits bigint NOT NULL DEFAULT 0,
    unit_price numeric(12, 6),
    amount numeric(24, 2) NOT NULL,
    period_no bigint,
    config_version bigint,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (invoice_id, line_no)
);
COMMENT ON TABLE invoice_line IS 'What an invoice is made of.';
COMMENT ON COLUMN invoice_line.kind IS 'base, overage, late, pack, …';
COMMENT ON COLUMN invoice_line.unit_price IS 'Price of one credit';
COMMENT ON COLUMN invoice_line.period_no IS 'The period that the credits were used in; an earlier one for late lines';
COMMENT ON COLUMN invoice_line.config_version IS 'The terms that priced it';

CREATE TABLE billing_transaction (
    id text PRIMARY KEY,
    organization_id text NOT NULL REFERENCES organization,
    invoice_id text REFERENCES billing_invoice,
    kind billing_transaction_kind NOT NULL,
    status billing_transaction_status NOT NULL DEFAULT 'pending',
    amount numeric(24, 2) NOT NULL,
    currency char(3) NOT NULL DEFAULT 'USD',
    external_id text UNIQUE,
    metadata jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    settled_at timestamptz
);
COMMENT ON TABLE billing_transaction IS 'Money that moved, or was to move.';
COMMENT ON COLUMN billing_transaction.external_id IS 'The charge, refund or dispute at the payment provider';
COMMENT ON COLUMN billing_transaction.settled_at IS 'When it succeeded, failed or was reversed';

CREATE INDEX billing_transaction_history ON billing_transaction (organization_id, created_at);
CREATE INDEX billing_transaction_of_invoice ON billing_transaction (invoice_id);

CREATE TABLE usage_day (
    organization_id text NOT NULL,
    day date NOT NULL,
    credits_used bigint NOT NULL DEFAULT 0,
    overage_credits bigint NOT NULL DEFAULT 0,
    emails_queued bigint NOT NULL DEFAULT 0,
    emails_sent bigint NOT NULL DEFAULT 0,
    emails_skipped bigint NOT NULL DEFAULT 0,
    emails_failed bigint NOT NULL DEFAULT 0,
    emails_bounced bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (organization_id, day)
) WITH (fillfactor = 70);
COMMENT ON TABLE usage_day IS 'What an organization used on one UTC day, summed up when deltas are booked.';
COMMENT ON COLUMN usage_day.credits_used IS 'Credits settled';
COMMENT ON COLUMN usage_day.overage_credits IS 'Credits of these past the grants';
