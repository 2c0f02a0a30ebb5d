-- reshape_subscriptions: period and status of subscriptions as their accounts have them.
--
-- A cancelled one stays cancelled: there may be another one by now, and one is all there can be. A
-- status that a subscription does not have (frozen, given as NULL) changes none.
--
-- $1 ids        text[]
-- $2 status     text[]
-- $3 period_no  bigint[]
-- $4 starts_at  timestamptz[]
-- $5 ends_at    timestamptz[]
WITH new AS (
    SELECT s.id, new.period_no, coalesce(new.starts_at, s.current_period_start) AS starts_at,
           new.ends_at,
           CASE WHEN s.status = 'cancelled' THEN s.status
                ELSE coalesce(new.status::subscription_status, s.status) END AS status
    FROM unnest($1::text[], $2::text[], $3::bigint[], $4::timestamptz[], $5::timestamptz[])
        AS new (id, status, period_no, starts_at, ends_at)
    JOIN subscription s ON s.id = new.id
)
UPDATE subscription s
SET period_no = new.period_no, current_period_start = new.starts_at,
    current_period_end = new.ends_at, status = new.status, updated_at = now()
FROM new
WHERE s.id = new.id
  AND (s.period_no, s.current_period_start, s.current_period_end, s.status)
      IS DISTINCT FROM (new.period_no, new.starts_at, new.ends_at, new.status)
