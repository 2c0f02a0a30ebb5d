-- read_chain_end: what one account says of the end of its ledger.
--
-- Read in the snapshot in which the last of its entries were read.
--
-- $1 organization_id  text
-- -> organization_id text, entry_no bigint, posted bigint, chain bytea, created_at timestamptz
SELECT organization_id, entry_no, posted, chain, created_at
FROM account
WHERE organization_id = $1
