-- plan_for_few: until the transaction ends, plans do not depend on how many rows a statement is given.
--
-- With thousands the server finds it cheaper to read all partitions than to probe each, because it does
-- not see when it plans that a row's instant leaves but one of them.
--
-- -> plan_cache_mode text
SELECT set_config('plan_cache_mode', 'force_generic_plan', true) AS plan_cache_mode
