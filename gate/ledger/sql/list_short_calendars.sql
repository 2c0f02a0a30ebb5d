-- list_short_calendars: accounts of which fewer than two periods to come are known.
--
-- Not those whose subscription ends with the period, nor those that have an operation on its way which
-- sets the periods to come.
--
-- $1 partitions  smallint[]
-- $2 count       integer
-- -> organization_id text
SELECT a.organization_id
FROM account a
JOIN subscription s ON s.organization_id = a.organization_id AND s.status <> 'cancelled'
WHERE a.partition = ANY ($1) AND a.ends_at IS NOT NULL AND jsonb_array_length(a.coming) < 2
  AND NOT s.cancel_at_period_end AND a.status <> 'cancelled'
  AND NOT a.coming @? '$[*] ? (@.status == "cancelled" || @.ends_at == null)'
  AND NOT EXISTS (
      SELECT FROM operation o
      WHERE o.organization_id = a.organization_id AND o.status IN ('pending', 'applied')
        AND o.content ? 'coming'
  )
LIMIT $2::integer
