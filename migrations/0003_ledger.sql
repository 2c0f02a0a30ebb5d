-- The history that nobody may lose or edit: every change of posted, in daily partitions.
SET LOCAL lock_timeout = '5s';

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
CREATE INDEX credit_ledger_settlement ON credit_ledger (organization_id, settlement_id, part);

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
