-- lock_calendar: what the next periods of an organization are computed from; nobody else computes them meanwhile.
--
-- No row if an operation is on its way that sets the periods to come, or if two are known by now.
--
-- $1 organization_id  text
-- -> timezone text, anchor_day smallint, period_no bigint, ends_at timestamptz, coming jsonb,
--    monthly_credits bigint
SELECT org.timezone, org.anchor_day, a.period_no, a.ends_at, a.coming, p.monthly_credits
FROM organization org
JOIN account a ON a.organization_id = org.id
JOIN subscription s ON s.organization_id = org.id AND s.status <> 'cancelled'
JOIN plan p ON p.id = s.plan_id
WHERE org.id = $1 AND a.ends_at IS NOT NULL AND jsonb_array_length(a.coming) < 2
  AND NOT EXISTS (
      SELECT FROM operation o
      WHERE o.organization_id = org.id AND o.status IN ('pending', 'applied') AND o.content ? 'coming'
  )
FOR UPDATE OF org
