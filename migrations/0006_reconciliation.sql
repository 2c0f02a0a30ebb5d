-- Where booking stands, who does it, and what was found wrong.
SET LOCAL lock_timeout = '5s';

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

CREATE TABLE partition_lease (
    partition smallint PRIMARY KEY,
    owner text NOT NULL,
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE partition_lease IS 'Which reconciler works on a partition: a hint that saves work; the cursor decides.';

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
