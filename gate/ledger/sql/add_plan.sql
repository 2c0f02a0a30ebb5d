-- add_plan: a plan on offer; one that is there under its id stays as it is.
--
-- $1 id                       text
-- $2 name                     text
-- $3 monthly_credits          bigint
-- $4 overage_limit            bigint
-- $5 base_price_usd           numeric
-- $6 overage_price_per_email  numeric
-- $7 billing_cycle            text
-- $8 max_rollover_credits     bigint?
-- $9 rate_per_second          bigint
-- $10 rate_per_minute         bigint?
-- $11 rate_per_hour           bigint?
-- $12 burst                   bigint?
-- $13 strict_burst            boolean
-- $14 max_open_holds          bigint?
-- $15 max_debt                bigint
-- $16 max_attachment_size_mb  integer
-- $17 warn_at                 integer[]
INSERT INTO plan (id, name, monthly_credits, overage_limit, base_price_usd,
                  overage_price_per_email, billing_cycle, rollover_enabled, max_rollover_credits,
                  rate_per_second, rate_per_minute, rate_per_hour, burst, strict_burst,
                  max_open_holds, max_debt, max_attachment_size_mb, warn_at)
VALUES ($1, $2::text, $3, $4, $5, $6, $7::text::billing_cycle, $8::bigint IS NOT NULL, $8, $9, $10,
        $11, $12, $13, $14, $15, $16, $17)
ON CONFLICT DO NOTHING
