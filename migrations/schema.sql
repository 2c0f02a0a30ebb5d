-- The whole schema as all migrations leave it, to be read. `gate migrate` does not use it; a test proves
-- that both come to the same. Whoever adds a migration changes this file too.

-- What organizations are entitled to: plans, subscriptions, and the operations that change an account.

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

CREATE TABLE plan_version (
    config_version bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plan_id text NOT NULL REFERENCES plan,
    terms jsonb NOT NULL,
    monthly_credits bigint NOT NULL,
    base_price_usd numeric(12, 2) NOT NULL,
    overage_price_per_email numeric(12, 6) NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE plan_version IS 'A plan as it was: what a configuration version allows and costs. Rows are never changed.';
COMMENT ON COLUMN plan_version.config_version IS 'As accounts, deltas and entries bear it';
COMMENT ON COLUMN plan_version.terms IS 'The fields of gate.domain.accounts.Terms';

CREATE INDEX plan_version_history ON plan_version (plan_id, config_version);

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

-- The booked image of every live account: what Redis is compared with, and loaded from.

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
    created_at timestamptz NOT NULL DEFAULT now(),
    allotted_epoch bigint NOT NULL DEFAULT 0,
    claimed_until timestamptz,
    look_up_until timestamptz,
    sends_until timestamptz,
    repair_since timestamptz
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
COMMENT ON COLUMN account.repair_reason IS 'gap and fork: amounts of later gaps can be told; diverged, drift, load, person, …';
COMMENT ON COLUMN account.allotted_epoch IS 'The highest epoch that a loader was given';
COMMENT ON COLUMN account.claimed_until IS 'Until when one loader has it for itself';
COMMENT ON COLUMN account.look_up_until IS 'Settlements that happen until then may be repeats, and are looked up; NULL: only those that say so';
COMMENT ON COLUMN account.sends_until IS 'Until when holds may be open that carried sends; NULL: none';
COMMENT ON COLUMN account.repair_since IS 'When repair_state left ok';

CREATE INDEX account_of_partition ON account (partition, organization_id);
CREATE INDEX account_period_end ON account (ends_at) WHERE ends_at IS NOT NULL;
CREATE INDEX account_repair ON account (partition, repair_state) WHERE repair_state <> 'ok';

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

CREATE INDEX account_grant_expiry ON account_grant (expires_at) WHERE expires_at IS NOT NULL;

-- The history that nobody may lose or edit: every change of posted, in daily partitions.

CREATE TYPE ledger_entry_type AS ENUM (
    'credit_purchased', 'email_sent', 'rollover_applied', 'manual_adjustment',
    'refund', 'plan_change', 'period_reset'
);

-- Nothing here may make a COPY fail: no unique index, no foreign key, no CHECK, and a partition
-- that takes what no other does. What makes an entry unique is the cursor (journal_cursor).
CREATE TABLE credit_ledger (
    id text NOT NULL,
    organization_id text NOT NULL,
    subscription_id text,
    entry_type ledger_entry_type NOT NULL,
    delta bigint NOT NULL,
    balance_after bigint NOT NULL,
    reason text,
    reference_id text,
    created_at timestamptz NOT NULL,
    booked_at timestamptz NOT NULL DEFAULT now(),
    entry_no bigint NOT NULL,
    epoch bigint NOT NULL,
    seq bigint NOT NULL,
    delta_kind text NOT NULL,
    settlement_id text,
    part bigint,
    operation_id text,
    period_no bigint,
    config_version bigint,
    split jsonb NOT NULL DEFAULT '{}',
    late boolean NOT NULL DEFAULT false,
    repeated boolean NOT NULL DEFAULT false,
    chain bytea NOT NULL
) PARTITION BY RANGE (booked_at);
COMMENT ON TABLE credit_ledger IS 'Every change of an organization''s posted credits, once and for good. balance_after is the previous one + delta, per organization, always. Append-only.';
COMMENT ON COLUMN credit_ledger.subscription_id IS 'The subscription at the time; NULL: none';
COMMENT ON COLUMN credit_ledger.delta IS 'Credits; negative: used or taken';
COMMENT ON COLUMN credit_ledger.balance_after IS 'Posted credits after this entry';
COMMENT ON COLUMN credit_ledger.reference_id IS 'The caller''s reference, such as email_send.id';
COMMENT ON COLUMN credit_ledger.created_at IS 'When it happened in Redis';
COMMENT ON COLUMN credit_ledger.booked_at IS 'When it was booked here; decides the partition';
COMMENT ON COLUMN credit_ledger.entry_no IS 'Number within the organization: 1, 2, 3, … without gaps';
COMMENT ON COLUMN credit_ledger.epoch IS 'Epoch of the delta that it books';
COMMENT ON COLUMN credit_ledger.seq IS 'Number of the delta that it books; a delta books one entry for each entry type';
COMMENT ON COLUMN credit_ledger.delta_kind IS 'What made the delta: committed, spent, applied, advanced, …';
COMMENT ON COLUMN credit_ledger.settlement_id IS 'The hold or spend that it settles';
COMMENT ON COLUMN credit_ledger.part IS 'Which part of the hold; 0: all of it';
COMMENT ON COLUMN credit_ledger.operation_id IS 'The operation that it books';
COMMENT ON COLUMN credit_ledger.config_version IS 'The terms that it was settled under: what prices overage';
COMMENT ON COLUMN credit_ledger.split IS 'delta by source: rollover, base, purchased, overage, debt';
COMMENT ON COLUMN credit_ledger.late IS 'A commit that came after its hold was gone, or without one';
COMMENT ON COLUMN credit_ledger.repeated IS 'Booked before under the same id; an operation gives it back';
COMMENT ON COLUMN credit_ledger.chain IS 'Digest over this entry and the chain of the one before';

CREATE TABLE credit_ledger_default PARTITION OF credit_ledger DEFAULT;

CREATE INDEX credit_ledger_entry ON credit_ledger (organization_id, entry_no);
CREATE INDEX credit_ledger_settlement ON credit_ledger (settlement_id, organization_id, part);
CREATE INDEX credit_ledger_operation ON credit_ledger (operation_id, organization_id)
    WHERE operation_id IS NOT NULL;
CREATE INDEX credit_ledger_reversal ON credit_ledger (reference_id, organization_id)
    WHERE operation_id LIKE 'rev\_%';

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused; correct an entry by another one',
        tg_table_name, tg_op USING ERRCODE = 'restrict_violation';
END
$$;
COMMENT ON FUNCTION refuse_change IS 'Trigger: refuses the statement';

-- PostgreSQL copies triggers for rows to every partition, those for TRUNCATE to none.
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON credit_ledger
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON credit_ledger
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON credit_ledger_default
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- ATTACH, unlike CREATE TABLE … PARTITION OF, lets others go on reading and writing the table.
-- A day of which the default partition has rows already stays there.
CREATE FUNCTION ensure_partitions(parent regclass, from_day date, days integer)
RETURNS SETOF regclass LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '5s' AS $$
DECLARE
    parent_name text := (SELECT relname FROM pg_class WHERE oid = parent);
    key text := (SELECT attname FROM pg_attribute JOIN pg_partitioned_table ON partrelid = attrelid
                 WHERE attrelid = parent AND attnum = partattrs[0]);
    name text;
    lower_bound timestamptz;
    upper_bound timestamptz;
    taken boolean;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('ensure_partitions'), parent::oid::integer);
    FOR day IN 0 .. days - 1 LOOP
        name := parent_name || to_char(from_day + day, '"_p"YYYYMMDD');
        CONTINUE WHEN to_regclass(quote_ident(name)) IS NOT NULL;
        lower_bound := (from_day + day)::timestamp AT TIME ZONE 'UTC';
        upper_bound := (from_day + day + 1)::timestamp AT TIME ZONE 'UTC';
        EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE %I >= $1 AND %2$I < $2)',
                       parent_name || '_default', key)
            INTO taken USING lower_bound, upper_bound;
        IF taken THEN
            RAISE NOTICE '% stays in %_default, which has rows of it', from_day + day, parent_name;
            CONTINUE;
        END IF;
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL EXCLUDING INDEXES)',
                       name, parent_name);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                       parent_name, name, lower_bound, upper_bound);
        RETURN NEXT name::regclass;
    END LOOP;
END
$$;
COMMENT ON FUNCTION ensure_partitions IS 'Makes the daily partitions that are missing, and says which it made';

CREATE FUNCTION ensure_ledger_partitions(from_day date, days integer)
RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    made integer := 0;
    name regclass;
BEGIN
    FOR name IN SELECT ensure_partitions('credit_ledger', from_day, days) LOOP
        EXECUTE format('CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON %s '
                       'FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', name);
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;
COMMENT ON FUNCTION ensure_ledger_partitions IS 'Makes the ledger''s partitions of so many days from a day on, where they are missing; how many it made';

-- Whoever detaches a part of the ledger owns the tables: no role is granted this.
CREATE FUNCTION detach_partitions(parent regclass, before_day date)
RETURNS SETOF regclass LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '5s' AS $$
DECLARE
    name regclass;
BEGIN
    FOR name IN
        SELECT oid::regclass FROM pg_class JOIN pg_inherits ON inhrelid = oid
        WHERE inhparent = parent AND relname ~ '_p\d{8}$'
          AND to_date(right(relname, 8), 'YYYYMMDD') < before_day
        ORDER BY relname
    LOOP
        EXECUTE format('ALTER TABLE %s DETACH PARTITION %s', parent, name);
        RETURN NEXT name;
    END LOOP;
END
$$;
COMMENT ON FUNCTION detach_partitions IS 'Detaches the daily partitions before a day; they stay as tables';

REVOKE ALL ON FUNCTION ensure_partitions, ensure_ledger_partitions, detach_partitions FROM PUBLIC;

-- One row per message and recipient, in daily partitions, so that forgetting them is cheap.

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

CREATE INDEX email_send_identity ON email_send (id, organization_id);
CREATE INDEX email_send_hold ON email_send (hold_id, organization_id);

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

-- What organizations are asked to pay, what they paid, and what they used day by day.

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

-- Where booking stands, who does it, and what was found wrong.

CREATE TABLE journal_cursor (
    partition smallint PRIMARY KEY,
    entry_id text NOT NULL,
    digest bytea NOT NULL,
    deltas bigint NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
COMMENT ON TABLE journal_cursor IS 'How far the journal of a partition is booked. Comparing and moving it in the booking transaction is what books every delta once.';
COMMENT ON COLUMN journal_cursor.entry_id IS 'Id of the last booked entry of the stream: the anchor';
COMMENT ON COLUMN journal_cursor.digest IS 'Digest of that entry''s bytes';
COMMENT ON COLUMN journal_cursor.deltas IS 'How many were booked so far';

-- Trimming goes up to the cursor of a while ago. A PostgreSQL that lost its tail lost these too, so
-- what it has to book again is still in the journal.
CREATE TABLE cursor_history (
    partition smallint NOT NULL,
    booked_at timestamptz NOT NULL DEFAULT now(),
    entry_id text NOT NULL,
    digest bytea NOT NULL,
    PRIMARY KEY (partition, booked_at)
);
COMMENT ON TABLE cursor_history IS 'Where the cursor of a partition stood: decides what is trimmed from its journal.';
COMMENT ON COLUMN cursor_history.digest IS 'Digest of that entry''s bytes';

CREATE TABLE partition_lease (
    partition smallint PRIMARY KEY,
    owner text NOT NULL,
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE partition_lease IS 'Which reconciler works on a partition: a hint that saves work; the cursor decides.';

CREATE TABLE reconciler_member (
    owner text PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
COMMENT ON TABLE reconciler_member IS 'Reconcilers that are alive; they share the partitions evenly.';

CREATE TABLE drift_report (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_id text NOT NULL,
    found_at timestamptz NOT NULL DEFAULT now(),
    kind text NOT NULL,
    epoch bigint,
    seq bigint,
    live jsonb,
    booked jsonb,
    credits bigint,
    action text,
    resolved_at timestamptz
);
COMMENT ON TABLE drift_report IS 'Where a live account and its booked image were found to differ, with both sides.';
COMMENT ON COLUMN drift_report.kind IS 'drift, gap, fork, …';
COMMENT ON COLUMN drift_report.live IS 'What Redis said';
COMMENT ON COLUMN drift_report.booked IS 'What the ledger said';
COMMENT ON COLUMN drift_report.credits IS 'By how much they differ: live − booked';
COMMENT ON COLUMN drift_report.action IS 'What was done: reload, adjust, stop, …';

CREATE INDEX drift_report_history ON drift_report (organization_id, found_at);
CREATE INDEX drift_report_open ON drift_report (found_at) WHERE resolved_at IS NULL;

CREATE TABLE quarantine (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    partition smallint NOT NULL,
    entry_id text NOT NULL,
    fields bytea[] NOT NULL,
    organization_id text,
    reason text NOT NULL,
    found_at timestamptz NOT NULL DEFAULT now(),
    replayed_at timestamptz
);
COMMENT ON TABLE quarantine IS 'Entries of the journal that could not be booked, kept whole until a person replays them.';
COMMENT ON COLUMN quarantine.fields IS 'The entry''s names and values by turns, as they are in the stream';
COMMENT ON COLUMN quarantine.organization_id IS 'NULL: it cannot be read';

CREATE INDEX quarantine_open ON quarantine (organization_id) WHERE replayed_at IS NULL;

-- Loading. While an account is not in Redis no verb can journal for it: once everything is booked that
-- the journal had when the account was found absent, its row says all that there is to say.

CREATE FUNCTION cursor_has_reached(of_partition smallint, journal_end text)
RETURNS boolean LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT string_to_array(nullif(journal_end, ''), '-')::numeric[] <= coalesce(
        (SELECT string_to_array(nullif(entry_id, ''), '-')::numeric[]
         FROM journal_cursor WHERE partition = of_partition),
        '{0,0}');
$$;
COMMENT ON FUNCTION cursor_has_reached IS 'Whether the journal of a partition is booked up to an entry, ids being compared as numbers; NULL where no entry is named';

-- Each statement in here sees what was committed when it began (READ COMMITTED), hence their order.
-- The cursor is compared first, so the row that is read afterwards is as far or farther. The UPDATE
-- waits for a booking that has the row and takes what that leaves; from then on the row is locked, and
-- as whoever changes grants changes the row in the same transaction, the grants that the last
-- statement sees are those of the row. Of two loaders the second waits for the first, looks at the
-- row again and finds it claimed; an epoch is allotted under the lock, so no two get the same. A
-- fork in between sets the cursor back and marks the row in one transaction: it is not taken then.
CREATE FUNCTION load_account(
    wanted_organization text, journal_end text, repairing boolean DEFAULT false
)
RETURNS TABLE (
    answer text, partition smallint, epoch bigint, seq bigint, overage bigint, debt bigint,
    used bigint, warned_percent smallint, allowance bigint, status text, frozen_reason text,
    grace_until timestamptz, period_no bigint, starts_at timestamptz, ends_at timestamptz,
    terms jsonb, coming jsonb, grants jsonb
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    caller text := coalesce(nullif(current_setting('role'), 'none'), session_user);
    repair text;
BEGIN
    IF repairing AND NOT has_table_privilege(caller, 'journal_cursor', 'UPDATE') THEN
        RAISE EXCEPTION 'who does not book does not repair: % may not load accounts in repair',
            caller USING ERRCODE = 'insufficient_privilege';
    END IF;

    SELECT a.partition, a.repair_state INTO partition, repair
    FROM account AS a WHERE a.organization_id = wanted_organization;
    IF NOT FOUND THEN
        answer := 'unknown';
    ELSIF cursor_has_reached(partition, journal_end) IS NOT TRUE
            OR (repair = 'reloading' AND NOT repairing) THEN
        answer := 'behind';
    ELSE
        UPDATE account AS a
        SET allotted_epoch = greatest(a.allotted_epoch, a.epoch) + 1,
            claimed_until = clock_timestamp() + interval '2 seconds'
        WHERE a.organization_id = wanted_organization AND a.partition = load_account.partition
          AND (repairing OR (
              a.repair_state <> 'reloading'
              -- A claim that lies farther ahead is of a clock that was set back.
              AND (a.claimed_until IS NULL OR a.claimed_until NOT BETWEEN
                   clock_timestamp() AND clock_timestamp() + interval '2 seconds')))
        RETURNING a.allotted_epoch, a.seq, a.overage, a.debt, a.used, a.warned_percent, a.allowance,
            a.status, a.frozen_reason, a.grace_until, a.period_no, a.starts_at, a.ends_at, a.terms,
            a.coming
        INTO epoch, seq, overage, debt, used, warned_percent, allowance,
            status, frozen_reason, grace_until, period_no, starts_at, ends_at, terms, coming;
        answer := CASE WHEN FOUND THEN 'ready' ELSE 'claimed' END;
    END IF;

    IF answer = 'ready' THEN
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'kind', g.kind, 'credits', g.credits_left, 'expires_at', g.expires_at)), '[]')
        INTO grants
        FROM account_grant AS g WHERE g.organization_id = wanted_organization AND g.credits_left <> 0;
    END IF;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION load_account IS 'Allots an epoch and gives the account to put into Redis. ready: with the account, which nobody else is given for two seconds; behind: not booked up to the journal''s end, or in repair; claimed: another loader has it; unknown: there is no such account';

-- As load_account, for whoever repairs: the rows are locked in the order of their names, so that two
-- of these do not wait for each other, and read again with their grants once they are locked.
CREATE FUNCTION load_accounts(of_partition smallint, journal_end text, organization_ids text[])
RETURNS TABLE (
    organization_id text,
    answer text, partition smallint, epoch bigint, seq bigint, overage bigint, debt bigint,
    used bigint, warned_percent smallint, allowance bigint, status text, frozen_reason text,
    grace_until timestamptz, period_no bigint, starts_at timestamptz, ends_at timestamptz,
    terms jsonb, coming jsonb, grants jsonb
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    allotted text[];
BEGIN
    IF cursor_has_reached(of_partition, journal_end) IS NOT TRUE THEN
        FOR organization_id IN SELECT DISTINCT unnest(organization_ids) LOOP
            answer := 'behind';
            RETURN NEXT;
        END LOOP;
        RETURN;
    END IF;

    PERFORM FROM account AS a
    WHERE a.organization_id = ANY (organization_ids) AND a.partition = of_partition
    ORDER BY a.organization_id FOR NO KEY UPDATE;
    WITH changed AS (
        UPDATE account AS a
        SET allotted_epoch = greatest(a.allotted_epoch, a.epoch) + 1,
            claimed_until = clock_timestamp() + interval '2 seconds'
        WHERE a.organization_id = ANY (organization_ids) AND a.partition = of_partition
        RETURNING a.organization_id
    )
    SELECT array_agg(changed.organization_id) INTO allotted FROM changed;

    RETURN QUERY
    SELECT a.organization_id, 'ready', a.partition, a.allotted_epoch, a.seq, a.overage, a.debt,
        a.used, a.warned_percent, a.allowance, a.status, a.frozen_reason, a.grace_until, a.period_no,
        a.starts_at, a.ends_at, a.terms, a.coming, g.grants
    FROM account AS a
    CROSS JOIN LATERAL (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'kind', kind, 'credits', credits_left, 'expires_at', expires_at)), '[]') AS grants
        FROM account_grant
        WHERE account_grant.organization_id = a.organization_id AND credits_left <> 0
    ) AS g
    WHERE a.organization_id = ANY (allotted);

    FOR organization_id IN
        SELECT unnest(organization_ids) EXCEPT SELECT unnest(allotted)
    LOOP
        answer := 'unknown';
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION load_accounts IS 'load_account for many organizations of one partition at once, in repair or not, claimed or not; unknown: there is no such account in this partition';

REVOKE ALL ON FUNCTION cursor_has_reached, load_account, load_accounts FROM PUBLIC;

-- What comes in from the payment provider, what goes out as events, who may call, and what they did.

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

-- Who may do what: three group roles, for the logins of reconcilers, APIs and senders to be members of.

-- Roles belong to the whole server: another database may have made them, or be making them now.
DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['gate_reconciler', 'gate_api', 'gate_sender'] LOOP
        CONTINUE WHEN to_regrole(role) IS NOT NULL;
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role);
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN
                NULL;
            WHEN insufficient_privilege THEN
                RAISE NOTICE 'role % is missing and this user may not make it', role;
        END;
    END LOOP;
END
$$;

CREATE FUNCTION grant_to(role text, privileges text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF to_regrole(role) IS NULL THEN
        RAISE NOTICE 'once role % is there: GRANT % TO %', role, privileges, role;
    ELSE
        EXECUTE format('GRANT %s TO %I', privileges, role);
    END IF;
END
$$;
COMMENT ON FUNCTION grant_to IS 'Grants to a role, or says how to once the role is there';
REVOKE ALL ON FUNCTION grant_to FROM PUBLIC;

DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['gate_reconciler', 'gate_api', 'gate_sender'] LOOP
        PERFORM grant_to(role, format('USAGE ON SCHEMA %I', current_schema()));
    END LOOP;

    PERFORM grant_to('gate_reconciler', 'SELECT, INSERT ON credit_ledger, audit_log');
    PERFORM grant_to('gate_reconciler', 'SELECT ON organization, plan');
    PERFORM grant_to('gate_reconciler', 'SELECT, INSERT, UPDATE ON operation, subscription, account,'
        ' email_send, billing_invoice, usage_day, journal_cursor, drift_report, quarantine');
    PERFORM grant_to('gate_reconciler', 'SELECT, INSERT, UPDATE, DELETE ON account_grant,'
        ' invoice_line, partition_lease, event_outbox');
    PERFORM grant_to('gate_reconciler', 'EXECUTE ON FUNCTION'
        ' ensure_ledger_partitions, ensure_send_partitions, forget_sends');

    PERFORM grant_to('gate_api', 'SELECT ON credit_ledger, account_grant, email_send, usage_day,'
        ' journal_cursor, partition_lease, drift_report, quarantine');
    PERFORM grant_to('gate_api', 'SELECT, INSERT ON account, audit_log');
    PERFORM grant_to('gate_api', 'SELECT, INSERT, UPDATE ON organization, plan, operation,'
        ' billing_invoice, billing_transaction, stripe_inbox, api_key');
    -- Its counters and its period are moved by booking alone.
    PERFORM grant_to('gate_api', 'SELECT, INSERT, UPDATE (plan_id, status, current_period_end,'
        ' external_subscription_id, cancel_at_period_end, cancelled_at, updated_at)'
        ' ON subscription');
    PERFORM grant_to('gate_api', 'SELECT, INSERT, UPDATE, DELETE ON invoice_line, event_outbox');

    PERFORM grant_to('gate_reconciler', 'SELECT, INSERT, UPDATE, DELETE ON cursor_history, reconciler_member');
    PERFORM grant_to('gate_reconciler', 'SELECT ON plan_version');
    PERFORM grant_to('gate_api', 'SELECT ON cursor_history, reconciler_member');
    PERFORM grant_to('gate_api', 'SELECT, INSERT ON plan_version');
    PERFORM grant_to('gate_reconciler', 'EXECUTE ON FUNCTION load_account, load_accounts');
    PERFORM grant_to('gate_api', 'EXECUTE ON FUNCTION load_account');
    PERFORM grant_to('gate_sender', 'EXECUTE ON FUNCTION load_account');
END
$$;
