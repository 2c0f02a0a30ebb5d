-- count_settlements: how many deltas book a settlement, of those that are in the ledger of 35 days.
--
-- OFFSET 0 keeps it one probe of an index per settlement and day, whatever the statistics say. The day
-- ahead is for a clock that was set back.
--
-- $1 organization_ids  text[]
-- $2 settlement_ids    text[]
-- $3 parts             bigint[]
-- -> organization_id text, settlement_id text, part bigint, deltas bigint
SELECT asked.organization_id, asked.settlement_id, asked.part,
       count(DISTINCT (found.epoch, found.seq)) AS deltas
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS asked (organization_id, settlement_id, part)
CROSS JOIN LATERAL (
    SELECT epoch, seq FROM credit_ledger l
    WHERE l.organization_id = asked.organization_id AND l.settlement_id = asked.settlement_id
      AND l.part = asked.part
      AND l.booked_at BETWEEN now() - interval '35 days' AND now() + interval '1 day'
    OFFSET 0
) found
GROUP BY asked.organization_id, asked.settlement_id, asked.part
