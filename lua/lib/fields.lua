-- The account is one packed value, read and written once per call. The places of what the hot path
-- reads and writes; lib/account.lua has the whole of it by name.
--
--    1 layout B            28 rate_second I4      55 generation I4       91 seq I6
--    2 next_change_at I6   32 burst I4            59 backlog_second I7   97 posted d
--    8 admits B            36 warn_next I7        66 seen_us I7         105 used I7
--    9 limits B            43 epoch I4            73 held I7            112 grants B
--   10 max_attachment I2   47 period_no I4        80 open_holds I4      113 the grants, GRANT each, in the
--   12 max_open_holds I4   51 config_version I4   84 ceiling I7             order in which they burn; then
--   16 next_expiry I6                                                       REST, coming periods, LONGER
--   22 due I6
--
-- What a call changes stands together: a reserve writes backlog_second to open_holds, a commit held to
-- the `left` of the first grant, a spend all of these.
-- ceiling: what may be held at most, left + max(0, overage_limit - overage), 0 while there is debt.
local LAYOUT = 1
local GRANT = '<I7BI6' -- left, source, expires_at
local AT_NEXT_EXPIRY, AT_DUE, AT_RATE, AT_EPOCH, AT_GENERATION = 16, 22, 28, 43, 55
local AT_BACKLOG, AT_SEEN, AT_HELD, AT_CEILING, AT_SEQ, AT_POSTED = 59, 66, 73, 84, 91, 97
local NEVER = 281474976710655 -- 2^48 - 1 ms: an instant that does not come
local NO_WARNING = 9007199254740992 -- 2^53: more than `used` can be
local CREDITS_MAX = 4503599627370496 -- 2^52: sums of two stay exact in a double
local COST_MAX = 1000000000 -- cost times the longest unit stays below 2^52
