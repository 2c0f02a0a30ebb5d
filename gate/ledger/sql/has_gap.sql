-- has_gap: whether the amount of a delta was booked already, within that of a gap.
--
-- $1 organization_id  text
-- $2 epoch            bigint
-- $3 seq              bigint
-- -> has_gap boolean
SELECT EXISTS (
    SELECT FROM drift_report
    WHERE organization_id = $1 AND kind = 'gap' AND epoch = $2 AND seq > $3
      AND (booked ->> 'seq')::bigint < $3
) AS has_gap
