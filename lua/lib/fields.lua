-- The account is one packed value, read and written once per call. The places of what the hot path reads
-- and writes; lib/account.lua has the whole of it by name.
--
--   1 layout B            8 admits B             50 generation I4   72 seq I6         113 grants, GRANT each
--   2 next_change_at I6   9 limits B             54 held I7         78 posted d           in the order in
-- which
--                        10 max_attachment I2    61 open_holds I4   86 used I7            they burn
--                        12 max_open_holds I4    65 ceiling I7      93 warn_next I7       then REST,
-- coming periods,
--                        16 rate_second I4                         100 epoch I4          and the limits
-- per minute and
--                        20 burst I4                               104 period_no I4      hour where the
-- plan has them
--                        24 backlog_second I7                      108 config_version I4
--                        31 seen_us I7                             112 number of grants B
--                        38 due I6
--                        44 next_expiry I6
--
-- ceiling: what may be held at most, left + max(0, overage_limit - overage), 0 while there is debt.
local LAYOUT = 1
local AT_ADMISSION, ADMISSION = 8, '<BBI2I4I4I4I7I7I6I6I4I7I4I7' -- admits to ceiling
local AT_RATE_STATE, RATE_STATE, BEHIND_RATE_STATE = 24, '<I7I7I6I6I4I7I4', 65 -- backlog_second to open_holds
local AT_BOOKS, BOOKS_AND_GRANT = 50, '<I4I7I4I7I6dI7I7I4I4I4BBI6I7' -- generation to the first grant, if there is one
local AT_GRANTS, GRANT, GRANT_SIZE = 113, '<BI6I7', 14 -- source, expires_at, left
local NEVER = 281474976710655 -- 2^48 - 1 ms: an instant that does not come
local NO_WARNING = 9007199254740992 -- 2^53: more than `used` can be
local CREDITS_MAX = 4503599627370496 -- 2^52: sums of two stay exact in a double
local COST_MAX = 1000000000 -- cost times the longest unit stays below 2^52
