-- move_accounts: the numbers of accounts after their deltas, and whether they are in repair.
--
-- numbers: for each account epoch, seq, posted, held, overage, debt, used, warned_percent, entry_no and
-- the milliseconds since 1970 of its last delta: one array of rows takes half the time of ten columns.
-- Accounts that are not among those in repair are in none. But for that, nothing here is in an index.
--
-- $1 organization_ids  text[]
-- $2 chains            bytea[]
-- $3 numbers           bigint[]
-- $4 look_up_until     timestamptz[]
-- $5 sends_until       timestamptz[]
-- $6 in_repair         text[]
-- $7 repair_state      text[]
-- $8 repair_reason     text[]
UPDATE account a
SET epoch = ($3::bigint[])[i][1], seq = ($3::bigint[])[i][2], posted = ($3::bigint[])[i][3], held = ($3::bigint[])[i][4],
    overage = ($3::bigint[])[i][5], debt = ($3::bigint[])[i][6], used = ($3::bigint[])[i][7], warned_percent = ($3::bigint[])[i][8],
    entry_no = ($3::bigint[])[i][9], chain = new.chain,
    last_delta_at = 'epoch'::timestamptz + nullif(($3::bigint[])[i][10], 0) * interval '1 millisecond',
    look_up_until = new.look_up_until, sends_until = new.sends_until,
    repair_state = coalesce(repair.state, 'ok'), repair_reason = repair.reason,
    repair_since = CASE WHEN repair.state IS NULL THEN NULL
                        WHEN a.repair_state = 'ok' THEN now()
                        ELSE a.repair_since END
FROM (
    SELECT organization_id, chain, look_up_until, sends_until, place::integer AS i
    FROM unnest($1::text[], $2::bytea[], $4::timestamptz[], $5::timestamptz[]) WITH ORDINALITY
        AS given (organization_id, chain, look_up_until, sends_until, place)
) new
LEFT JOIN unnest($6::text[], $7::text[], $8::text[]) AS repair (organization_id, state, reason)
    ON repair.organization_id = new.organization_id
WHERE a.organization_id = new.organization_id
