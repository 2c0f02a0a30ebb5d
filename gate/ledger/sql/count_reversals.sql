-- count_reversals: how often facts are reversed in the ledger of 35 days, less how often that is reversed itself.
--
-- A reversal of a reversal counts against it, and so on; a ring of them, which nobody writes, ends.
--
-- $1 organization_ids  text[]
-- $2 facts             text[]
-- -> organization_id text, fact text, times bigint
WITH RECURSIVE reversal (organization_id, root, fact, sign, depth, epoch, seq) AS (
    SELECT asked.organization_id, asked.fact, 'operation:' || l.operation_id, 1, 1, l.epoch, l.seq
    FROM unnest($1::text[], $2::text[]) AS asked (organization_id, fact)
    JOIN credit_ledger l
        ON l.organization_id = asked.organization_id AND l.reference_id = asked.fact
    WHERE l.operation_id LIKE 'rev\_%'
      AND l.booked_at BETWEEN now() - interval '35 days' AND now() + interval '1 day'
    UNION
    SELECT r.organization_id, r.root, 'operation:' || l.operation_id, -r.sign, r.depth + 1,
           l.epoch, l.seq
    FROM reversal r
    JOIN credit_ledger l ON l.organization_id = r.organization_id AND l.reference_id = r.fact
    WHERE l.operation_id LIKE 'rev\_%' AND r.depth < 100
      AND l.booked_at BETWEEN now() - interval '35 days' AND now() + interval '1 day'
)
SELECT organization_id, root AS fact, sum(sign) AS times
FROM reversal
GROUP BY organization_id, root
