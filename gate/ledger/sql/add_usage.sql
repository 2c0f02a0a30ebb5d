-- add_usage: adds credits to what organizations used on days.
--
-- $1 organization_ids  text[]
-- $2 days              date[]
-- $3 credits_used      bigint[]
-- $4 overage_credits   bigint[]
INSERT INTO usage_day AS u (organization_id, day, credits_used, overage_credits)
SELECT * FROM unnest($1::text[], $2::date[], $3::bigint[], $4::bigint[])
ON CONFLICT (organization_id, day) DO UPDATE
SET credits_used = u.credits_used + excluded.credits_used,
    overage_credits = u.overage_credits + excluded.overage_credits
