-- An open hold: a member of the zset of holds whose score is its whole record,
--
--   (expires_at_ms - HOLD_ERA) * 2^14 + credits * 2 + detailed
--
-- so that the index by expiry and the record are one entry. What does not fit (more than 8,191 credits,
-- min_credits, parts, a reference, sends, other credits than were reserved) is HOLD_DETAIL in the hash of
-- details, and `detailed` is 1. Exact in a double until the year 2042.
local HOLD_ERA = 1735689600000 -- 2025-01-01T00:00:00Z
local HOLD_CREDITS_MAX = 8191
