-- draft_invoices: an invoice for each period that turned; one that is there stays as it is.
--
-- Priced as the configuration version of the period was, else as the plan of the subscription is. Annual
-- plans pay their base in the first of twelve periods.
--
-- $1 ids                text[]
-- $2 organization_ids   text[]
-- $3 subscription_ids   text[]
-- $4 period_no          bigint[]
-- $5 config_version     bigint[]
-- $6 starts_at          timestamptz[]
-- $7 ends_at            timestamptz[]
-- $8 allowance          bigint[]
-- $9 credits_used       bigint[]
-- $10 overage           bigint[]
-- -> id text
WITH closed AS (
    SELECT c.*, p.name, coalesce(v.overage_price_per_email, p.overage_price_per_email) AS price,
           p.billing_cycle = 'monthly' OR c.period_no % 12 = 1 AS pays_base,
           coalesce(v.base_price_usd, p.base_price_usd) AS base_price
    FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::timestamptz[],
                $7::timestamptz[], $8::bigint[], $9::bigint[], $10::bigint[])
        AS c (id, organization_id, subscription_id, period_no, config_version, starts_at, ends_at,
              allowance, credits_used, overage)
    JOIN subscription s ON s.id = c.subscription_id
    LEFT JOIN plan_version v ON v.config_version = c.config_version
    JOIN plan p ON p.id = coalesce(v.plan_id, s.plan_id)
), priced AS (
    SELECT *, CASE WHEN pays_base THEN base_price ELSE 0 END AS base_amount,
           round(overage * price, 2) AS overage_amount
    FROM closed
), drafted AS (
    INSERT INTO billing_invoice (id, organization_id, subscription_id, period_no, period_start,
                                 period_end, credits_included, credits_used, overage_credits,
                                 base_amount, overage_amount, total_amount)
    SELECT id, organization_id, subscription_id, period_no, starts_at, ends_at, allowance,
           credits_used, overage, base_amount, overage_amount, base_amount + overage_amount
    FROM priced
    ON CONFLICT (subscription_id, period_no) DO NOTHING
    RETURNING id
), lines AS (
    INSERT INTO invoice_line (invoice_id, line_no, kind, description, credits, unit_price, amount,
                              period_no, config_version)
    SELECT id, 1, 'base', name, allowance, NULL, base_amount, period_no, config_version
    FROM priced JOIN drafted USING (id) WHERE pays_base
    UNION ALL
    SELECT id, 2, 'overage', name, overage, price, overage_amount, period_no, config_version
    FROM priced JOIN drafted USING (id) WHERE overage > 0
)
SELECT id FROM drafted
