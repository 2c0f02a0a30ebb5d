-- What booking needs: who may load an account, what is looked up, where cursors stood, what terms cost.
SET LOCAL lock_timeout = '5s';

ALTER TABLE account
    ADD COLUMN allotted_epoch bigint NOT NULL DEFAULT 0,
    ADD COLUMN claimed_until timestamptz,
    ADD COLUMN look_up_until timestamptz,
    ADD COLUMN sends_until timestamptz,
    ADD COLUMN repair_since timestamptz;
COMMENT ON COLUMN account.allotted_epoch IS 'The highest epoch that a loader was given';
COMMENT ON COLUMN account.claimed_until IS 'Until when one loader has it for itself';
COMMENT ON COLUMN account.look_up_until IS 'Settlements that happen until then may be repeats, and are looked up; NULL: only those that say so';
COMMENT ON COLUMN account.sends_until IS 'Until when holds may be open that carried sends; NULL: none';
COMMENT ON COLUMN account.repair_since IS 'When repair_state left ok';
COMMENT ON COLUMN account.repair_reason IS 'gap and fork: amounts of later gaps can be told; diverged, drift, load, person, …';

CREATE INDEX account_repair ON account (partition, repair_state) WHERE repair_state <> 'ok';
CREATE INDEX account_grant_expiry ON account_grant (expires_at) WHERE expires_at IS NOT NULL;

-- Ids first: with the organization first, the indexes of a day of which PostgreSQL has no statistics
-- yet look equally good for an id, and it may read the whole day of a busy organization.
DROP INDEX credit_ledger_settlement, email_send_identity, email_send_hold;
CREATE INDEX credit_ledger_settlement ON credit_ledger (settlement_id, organization_id, part);
CREATE INDEX email_send_identity ON email_send (id, organization_id);
CREATE INDEX email_send_hold ON email_send (hold_id, organization_id);
CREATE INDEX credit_ledger_operation ON credit_ledger (operation_id, organization_id)
    WHERE operation_id IS NOT NULL;
CREATE INDEX credit_ledger_reversal ON credit_ledger (reference_id, organization_id)
    WHERE operation_id LIKE 'rev\_%';

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

CREATE TABLE reconciler_member (
    owner text PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
COMMENT ON TABLE reconciler_member IS 'Reconcilers that are alive; they share the partitions evenly.';

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

DO $$
BEGIN
    PERFORM grant_to('gate_reconciler', 'SELECT, INSERT, UPDATE, DELETE ON cursor_history, reconciler_member');
    PERFORM grant_to('gate_reconciler', 'SELECT ON plan_version');
    PERFORM grant_to('gate_api', 'SELECT ON cursor_history, reconciler_member');
    PERFORM grant_to('gate_api', 'SELECT, INSERT ON plan_version');
END
$$;

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

DO $$
BEGIN
    PERFORM grant_to('gate_reconciler', 'EXECUTE ON FUNCTION load_account, load_accounts');
    PERFORM grant_to('gate_api', 'EXECUTE ON FUNCTION load_account');
    PERFORM grant_to('gate_sender', 'EXECUTE ON FUNCTION load_account');
END
$$;
