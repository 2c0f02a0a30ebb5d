-- add_usage: adds credits to what organizations used on days.
--
-- What is added is at most 2^61, and to more than 2^62 nothing is: no sum fails.
--
-- $1 organization_ids  text[]
-- $2 days              date[]
-- $3 credits_used      bigint[]
-- $4 overage_credits   bigint[]
INSERT INTO usage_day AS u (organization_id, day, credits_used, overage_credits)
SELECT * FROM unnest($1::text[], $2::date[], $3::bigint[], $4::bigint[])
ON CONFLICT (organization_id, day) DO UPDATE
SET credits_used = u.credits_used + CASE
        WHEN u.credits_used BETWEEN -(1::bigint << 62) AND 1::bigint << 62
        THEN excluded.credits_used ELSE 0 END,
    overage_credits = u.overage_credits + CASE
        WHEN u.overage_credits BETWEEN -(1::bigint << 62) AND 1::bigint << 62
        THEN excluded.overage_credits ELSE 0 END
