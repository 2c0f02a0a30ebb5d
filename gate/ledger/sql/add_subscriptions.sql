-- add_subscriptions: the first subscriptions of organizations, in their first period.
--
-- $1 ids               text[]
-- $2 organization_ids  text[]
-- $3 plan_ids          text[]
-- $4 status            text[]
-- $5 period_no         bigint[]
-- $6 starts_at         timestamptz[]
-- $7 ends_at           timestamptz[]
INSERT INTO subscription (id, organization_id, plan_id, status, period_no, current_period_start,
                          current_period_end)
SELECT id, organization_id, plan_id, status::subscription_status, period_no, starts_at, ends_at
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::timestamptz[],
            $7::timestamptz[])
    AS new (id, organization_id, plan_id, status, period_no, starts_at, ends_at)
