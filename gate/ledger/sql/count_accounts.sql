-- count_accounts: how many accounts there are by the state of their repair.
--
-- Reads the whole table: about a second for some million accounts.
--
-- -> repair_state text, accounts bigint
SELECT repair_state, count(*) AS accounts
FROM account
GROUP BY repair_state
