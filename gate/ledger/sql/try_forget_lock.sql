-- try_forget_lock: whether this transaction alone may forget sends; nobody waits for another one.
--
-- Detaching a partition that another transaction has just detached would fail.
--
-- -> locked boolean
SELECT pg_try_advisory_xact_lock(hashtext('forget_old_sends')) AS locked;
