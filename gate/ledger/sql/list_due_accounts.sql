-- list_due_accounts: accounts that time is to change: a period has ended and the next is known, or a grant has expired.
--
-- $1 partitions  smallint[]
-- $2 count       integer
-- -> partition smallint, organization_id text
(
    SELECT partition, organization_id FROM account
    WHERE ends_at <= now() AND jsonb_array_length(coming) > 0 AND repair_state = 'ok' AND epoch > 0
      AND partition = ANY ($1)
    LIMIT $2::integer
) UNION (
    SELECT a.partition, a.organization_id
    FROM account_grant g JOIN account a USING (organization_id)
    WHERE g.expires_at <= now() AND g.credits_left > 0 AND a.repair_state = 'ok' AND a.epoch > 0
      AND a.partition = ANY ($1)
    LIMIT $2::integer
)
