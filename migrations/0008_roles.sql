-- Who may do what: three group roles, for the logins of reconcilers, APIs and senders to be members of.
SET LOCAL lock_timeout = '5s';

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
END
$$;
