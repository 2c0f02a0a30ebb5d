-- move_accounts: the numbers of accounts after their deltas, and whether they are in repair.
--
-- None of this is in an index as long as an account stays in or out of repair: the row stays where it is.
--
-- $1 organization_ids  text[]
-- $2 epoch             bigint[]
-- $3 seq               bigint[]
-- $4 posted            bigint[]
-- $5 held              bigint[]
-- $6 overage           bigint[]
-- $7 debt              bigint[]
-- $8 used              bigint[]
-- $9 warned_percent    smallint[]
-- $10 entry_no         bigint[]
-- $11 chain            bytea[]
-- $12 last_delta_at    timestamptz[]
-- $13 look_up_until    timestamptz[]
-- $14 sends_until      timestamptz[]
-- $15 repair_state     text[]
-- $16 repair_reason    text[]
UPDATE account a
SET epoch = new.epoch, seq = new.seq, posted = new.posted, held = new.held,
    overage = new.overage, debt = new.debt, used = new.used, warned_percent = new.warned_percent,
    entry_no = new.entry_no, chain = new.chain, last_delta_at = new.last_delta_at,
    look_up_until = new.look_up_until, sends_until = new.sends_until,
    repair_state = new.repair_state, repair_reason = new.repair_reason,
    repair_since = CASE WHEN new.repair_state = 'ok' THEN NULL
                        WHEN a.repair_state = 'ok' THEN now()
                        ELSE a.repair_since END
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
            $7::bigint[], $8::bigint[], $9::smallint[], $10::bigint[], $11::bytea[],
            $12::timestamptz[], $13::timestamptz[], $14::timestamptz[], $15::text[], $16::text[])
    AS new (organization_id, epoch, seq, posted, held, overage, debt, used, warned_percent,
            entry_no, chain, last_delta_at, look_up_until, sends_until, repair_state,
            repair_reason)
WHERE a.organization_id = new.organization_id
