-- find_partition: the partition of an organization that has an account.
--
-- $1 organization_id  text
-- -> partition smallint
SELECT partition FROM account WHERE organization_id = $1
