-- sum_entries: what the entries of organizations add up to, up to one of them.
--
-- In all, behind an earlier one, and what settlements used behind that whose ids begin in a certain
-- way. Organizations without entries are left out.
--
-- $1 organization_ids   text[]
-- $2 behind             bigint[]
-- $3 until              bigint[]
-- $4 settlement_prefix  text
-- -> organization_id text, posted bigint, moved bigint, used bigint
SELECT asked.organization_id, sum(delta)::bigint AS posted,
       coalesce(sum(delta) FILTER (WHERE entry_no > behind), 0)::bigint AS moved,
       coalesce(-sum(delta) FILTER (
           WHERE entry_no > behind AND entry_type = 'email_sent' AND starts_with(settlement_id, $4)
       ), 0)::bigint AS used
FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS asked (organization_id, behind, until)
JOIN credit_ledger l ON l.organization_id = asked.organization_id AND l.entry_no <= until
GROUP BY asked.organization_id
