-- leave_members: hands a reconciler's partitions over at once, and takes it off the list.
--
-- $1 owner  text
WITH handed_over AS (
    DELETE FROM partition_lease WHERE owner = $1
)
DELETE FROM reconciler_member WHERE owner = $1;
