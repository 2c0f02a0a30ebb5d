-- move_cursors: moves cursors that are locked, and notes where they stood, at most once a second each.
--
-- Of the notes older than the margin only the newest is of use. Those of the future are from before
-- the clock was set back.
--
-- $1 partitions  smallint[]
-- $2 entry_ids   text[]
-- $3 digests     bytea[]
-- $4 deltas      bigint[]
-- $5 margin_s    double precision
WITH new AS (
    SELECT * FROM unnest($1::smallint[], $2::text[], $3::bytea[], $4::bigint[])
        AS new (partition, entry_id, digest, deltas)
), moved AS (
    UPDATE journal_cursor c
    SET entry_id = new.entry_id, digest = new.digest, deltas = new.deltas, updated_at = now()
    FROM new WHERE c.partition = new.partition
), noted AS (
    INSERT INTO cursor_history (partition, entry_id, digest)
    SELECT partition, entry_id, digest FROM new
    WHERE NOT EXISTS (
        SELECT FROM cursor_history h
        WHERE h.partition = new.partition AND h.booked_at <= now()
          AND h.booked_at > now() - interval '1 second'
    )
    ON CONFLICT DO NOTHING
    RETURNING partition
)
DELETE FROM cursor_history h USING noted
WHERE h.partition = noted.partition AND (
    h.booked_at > now() OR h.booked_at < (
        SELECT max(booked_at) FROM cursor_history
        WHERE partition = noted.partition AND booked_at <= now() - make_interval(secs => $5)
    )
)
