-- What organizations are entitled to: plans, subscriptions, and the operations that change an account.
SET LOCAL lock_timeout = '5s';

CREATE TYPE billing_cycle AS ENUM ('monthly', 'annual');
CREATE TYPE subscription_status AS ENUM ('active', 'past_due', 'cancelled', 'trialing', 'paused');

CREATE TABLE organization (
    id text PRIMARY KEY,
    name text,
    billing_email text,
    timezone text NOT NULL DEFAULT 'UTC',
    anchor_day smallint NOT NULL DEFAULT 1 CHECK (anchor_day BETWEEN 1 AND 31),
    external_customer_id text UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE organization IS 'A customer: whose credits they are.';
COMMENT ON COLUMN organization.timezone IS 'IANA name; periods begin at its midnight';
COMMENT ON COLUMN organization.anchor_day IS 'Day of the month on which periods begin; short months use their last day';
COMMENT ON COLUMN organization.external_customer_id IS 'The customer at the payment provider';

CREATE TABLE plan (
    id text PRIMARY KEY,
    name varchar(100) NOT NULL,
    monthly_credits bigint NOT NULL CHECK (monthly_credits >= 0),
    overage_limit bigint NOT NULL DEFAULT 0 CHECK (overage_limit >= 0),
    base_price_usd numeric(12, 2) NOT NULL CHECK (base_price_usd >= 0),
    overage_price_per_email numeric(12, 6) NOT NULL DEFAULT 0 CHECK (overage_price_per_email >= 0),
    billing_cycle billing_cycle NOT NULL DEFAULT 'monthly',
    rollover_enabled boolean NOT NULL DEFAULT false,
    max_rollover_credits bigint CHECK (max_rollover_credits >= 0),
    rate_per_second bigint NOT NULL DEFAULT 50 CHECK (rate_per_second > 0),
    rate_per_minute bigint CHECK (rate_per_minute > 0),
    rate_per_hour bigint CHECK (rate_per_hour > 0),
    burst bigint CHECK (burst > 0),
    strict_burst boolean NOT NULL DEFAULT false,
    max_open_holds bigint CHECK (max_open_holds > 0),
    max_debt bigint NOT NULL DEFAULT 10000 CHECK (max_debt >= 0),
    max_attachment_size_mb integer NOT NULL DEFAULT 10 CHECK (max_attachment_size_mb >= 0),
    warn_at integer[] NOT NULL DEFAULT '{80,100}',
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE plan IS 'A tier on offer: what it gives in a month, what it costs, what it allows.';
COMMENT ON COLUMN plan.monthly_credits IS 'Credits that each period gives, one month each, under annual billing too';
COMMENT ON COLUMN plan.overage_limit IS 'Credits that may be used past the grants within a period';
COMMENT ON COLUMN plan.overage_price_per_email IS 'USD for one credit of overage';
COMMENT ON COLUMN plan.rollover_enabled IS 'Whether unspent base and rollover credits are carried over a turn';
COMMENT ON COLUMN plan.max_rollover_credits IS 'How many are carried at most; NULL: no ceiling';
COMMENT ON COLUMN plan.rate_per_second IS 'Credits per second';
COMMENT ON COLUMN plan.rate_per_minute IS 'Credits per minute; NULL: not limited';
COMMENT ON COLUMN plan.rate_per_hour IS 'Credits per hour; NULL: not limited';
COMMENT ON COLUMN plan.burst IS 'Credits that may pass at once; NULL: one second''s worth';
COMMENT ON COLUMN plan.strict_burst IS 'Whether a call larger than the burst is refused for good';
COMMENT ON COLUMN plan.max_open_holds IS 'NULL: not limited';
COMMENT ON COLUMN plan.max_debt IS 'Credits; deeper debt freezes the organization';
COMMENT ON COLUMN plan.warn_at IS 'Percent of the period''s allowance, rising';
COMMENT ON COLUMN plan.is_active IS 'Whether it is offered to new customers';

CREATE TABLE subscription (
    id text PRIMARY KEY,
    organization_id text NOT NULL REFERENCES organization,
    plan_id text NOT NULL REFERENCES plan,
    status subscription_status NOT NULL DEFAULT 'active',
    credits_used bigint NOT NULL DEFAULT 0,
    credits_remaining bigint NOT NULL DEFAULT 0,
    rollover_credits bigint NOT NULL DEFAULT 0,
    overage_credits_used bigint NOT NULL DEFAULT 0,
    period_no bigint NOT NULL DEFAULT 1,
    current_period_start timestamptz NOT NULL,
    current_period_end timestamptz,
    external_subscription_id varchar(255) UNIQUE,
    cancel_at_period_end boolean NOT NULL DEFAULT false,
    cancelled_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);
COMMENT ON TABLE subscription IS 'An organization''s tie to a plan. Its counters are projections of the ledger, moved when deltas are booked and nowhere else.';
COMMENT ON COLUMN subscription.credits_used IS 'Credits settled in this period';
COMMENT ON COLUMN subscription.credits_remaining IS 'Unspent credits of the plan''s allowance';
COMMENT ON COLUMN subscription.rollover_credits IS 'Unspent credits that earlier periods left';
COMMENT ON COLUMN subscription.overage_credits_used IS 'Credits used past the grants in this period';
COMMENT ON COLUMN subscription.period_no IS 'Number of the running period';
COMMENT ON COLUMN subscription.external_subscription_id IS 'The subscription at the payment provider';

CREATE UNIQUE INDEX subscription_of_organization ON subscription (organization_id)
    WHERE status <> 'cancelled';
CREATE INDEX subscription_history ON subscription (organization_id, created_at);
COMMENT ON INDEX subscription_of_organization IS 'One that is not cancelled for each organization';

CREATE TABLE operation (
    organization_id text NOT NULL REFERENCES organization,
    id text NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY,
    kind text NOT NULL,
    period_no bigint,
    content jsonb NOT NULL DEFAULT '{}',
    reference text,
    reason text,
    actor text,
    status text NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'applied', 'booked', 'stale', 'rejected')),
    created_at timestamptz NOT NULL DEFAULT now(),
    applied_at timestamptz,
    booked_at timestamptz,
    booked_epoch bigint,
    booked_seq bigint,
    PRIMARY KEY (organization_id, id)
);
COMMENT ON TABLE operation IS 'A change of entitlement, recorded before it reaches the account. Only booked is final: the delta that it made came back.';
COMMENT ON COLUMN operation.id IS 'Unique within the organization, as the account knows it';
COMMENT ON COLUMN operation.number IS 'The order in which an organization''s operations are applied';
COMMENT ON COLUMN operation.period_no IS 'The period it is meant for; NULL: any';
COMMENT ON COLUMN operation.content IS 'What it changes: grants, terms, status, periods to come';
COMMENT ON COLUMN operation.reference IS 'What caused it outside, such as an event of the payment provider';
COMMENT ON COLUMN operation.booked_epoch IS 'Epoch of the delta that it made';
COMMENT ON COLUMN operation.booked_seq IS 'Number of the delta that it made';

CREATE INDEX operation_unbooked ON operation (organization_id, number)
    WHERE status IN ('pending', 'applied');
