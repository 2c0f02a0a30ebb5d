-- keep_plan_version: the newest version of a plan, after one was made if the plan is not as in the last.
--
-- Terms stand in the table without their version, which is the row's own, and come back with it. Of
-- two callers at once both may make a version of the same content: none of them is wrong.
--
-- $1 plan_id  text
-- -> monthly_credits bigint, terms jsonb
WITH present AS (
    SELECT monthly_credits, base_price_usd, overage_price_per_email,
           jsonb_strip_nulls(jsonb_build_object(
               'rate_per_second', rate_per_second, 'rate_per_minute', rate_per_minute,
               'rate_per_hour', rate_per_hour, 'burst', burst, 'strict_burst', strict_burst,
               'overage_limit', overage_limit, 'max_open_holds', max_open_holds,
               'max_attachment_size_mb', max_attachment_size_mb, 'max_debt', max_debt,
               'max_rollover_credits',
               CASE WHEN rollover_enabled THEN coalesce(max_rollover_credits, 1::bigint << 52) END,
               'warn_at', to_jsonb(warn_at))) AS terms
    FROM plan WHERE id = $1
), newest AS (
    SELECT config_version, monthly_credits, base_price_usd, overage_price_per_email, terms
    FROM plan_version WHERE plan_id = $1 ORDER BY config_version DESC LIMIT 1
), made AS (
    INSERT INTO plan_version (plan_id, monthly_credits, base_price_usd, overage_price_per_email,
                              terms)
    SELECT $1, monthly_credits, base_price_usd, overage_price_per_email, terms FROM (
        TABLE present EXCEPT
        SELECT monthly_credits, base_price_usd, overage_price_per_email, terms FROM newest
    ) AS changed
    RETURNING config_version, monthly_credits, terms
)
SELECT monthly_credits, terms || jsonb_build_object('config_version', config_version) AS terms
FROM (
    TABLE made UNION ALL SELECT config_version, monthly_credits, terms FROM newest
) AS known
ORDER BY config_version DESC LIMIT 1
