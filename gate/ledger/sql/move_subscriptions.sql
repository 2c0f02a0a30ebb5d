-- move_subscriptions: the counters of subscriptions as their accounts have them.
--
-- $1 ids                   text[]
-- $2 credits_used          bigint[]
-- $3 credits_remaining     bigint[]
-- $4 rollover_credits      bigint[]
-- $5 overage_credits_used  bigint[]
UPDATE subscription s
SET credits_used = new.credits_used, credits_remaining = new.credits_remaining,
    rollover_credits = new.rollover_credits, overage_credits_used = new.overage_credits_used,
    updated_at = now()
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
    AS new (id, credits_used, credits_remaining, rollover_credits, overage_credits_used)
WHERE s.id = new.id
  AND (s.credits_used, s.credits_remaining, s.rollover_credits, s.overage_credits_used)
      IS DISTINCT FROM
      (new.credits_used, new.credits_remaining, new.rollover_credits, new.overage_credits_used)
