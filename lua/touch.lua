#!lua flags=allow-oom
--- touch: brings an idle account up to now.
---
--- KEYS[1] account       string
--- KEYS[2] journal       stream  a delta only if time had changed the account
---
--- -> touched     posted:int seq:int changed:int
--- -> not_loaded

-- @include open
-- @include keep
local seq, posted = struct.unpack('<I6d', packed, AT_SEQ)
return { 'touched', posted, seq, leg_count > 0 and 1 or 0 }
