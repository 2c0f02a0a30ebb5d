-- add_accounts: accounts that were never loaded and have no credits; those come by operations alone.
--
-- $1 organization_ids  text[]
-- $2 partitions        smallint[]
-- $3 status            text[]
-- $4 period_no         bigint[]
-- $5 starts_at         timestamptz[]
-- $6 ends_at           timestamptz[]
-- $7 terms             jsonb[]
-- $8 coming            jsonb[]
INSERT INTO account (organization_id, partition, status, period_no, starts_at, ends_at, terms,
                     coming)
SELECT * FROM unnest($1::text[], $2::smallint[], $3::text[], $4::bigint[], $5::timestamptz[],
                     $6::timestamptz[], $7::jsonb[], $8::jsonb[])
