-- beat_member: says that a reconciler is alive, forgets those that are not, counts the living.
--
-- Rows that somebody else works on are skipped, so that no two reconcilers wait for each other.
--
-- $1 owner  text
-- $2 ttl_s  double precision
-- -> members bigint
WITH beat AS (
    INSERT INTO reconciler_member (owner, expires_at)
    VALUES ($1, clock_timestamp() + make_interval(secs => $2))
    ON CONFLICT (owner) DO UPDATE SET expires_at = excluded.expires_at
), forgotten AS (
    DELETE FROM reconciler_member WHERE owner IN (
        SELECT owner FROM reconciler_member
        WHERE owner <> $1 AND expires_at < clock_timestamp()
        FOR UPDATE SKIP LOCKED
    )
)
SELECT 1 + count(*) AS members FROM reconciler_member
WHERE owner <> $1 AND expires_at >= clock_timestamp();
