-- count_operations: how many deltas book an operation, of those that are in the ledger of 35 days.
--
-- $1 organization_ids  text[]
-- $2 operation_ids     text[]
-- -> organization_id text, operation_id text, reference text?, deltas bigint
SELECT asked.organization_id, asked.operation_id, max(found.reference_id) AS reference,
       count(DISTINCT (found.epoch, found.seq)) AS deltas
FROM unnest($1::text[], $2::text[]) AS asked (organization_id, operation_id)
CROSS JOIN LATERAL (
    SELECT epoch, seq, reference_id FROM credit_ledger l
    WHERE l.organization_id = asked.organization_id AND l.operation_id = asked.operation_id
      AND l.booked_at BETWEEN now() - interval '35 days' AND now() + interval '1 day'
    OFFSET 0
) found
GROUP BY asked.organization_id, asked.operation_id
