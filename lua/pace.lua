#!lua flags=allow-oom
--- pace: takes rate tokens only, to draw from a large hold. The one verb that takes anew when it is repeated.
---
--- KEYS[1] account       string
--- KEYS[2] journal       stream  a delta only if time had changed the account
---
--- ARGV[1] cost          int   1 to 10^9
---
--- -> paced       available:int
--- -> throttled   limit:str retry_after_ms:int required:int available:int
--- -> not_loaded

local tokens = tonumber(ARGV[1])
if not (tokens and tokens >= 1 and tokens <= 1000000000 and tokens % 1 == 0) then
  return redis.error_reply('GATE_BADARG cost 1 to 1000000000')
end

-- @include open
local limits, _, _, rate_second, burst, backlog_second, seen_us = struct.unpack('<BI2I4I4I4I7I7', packed, 9)
local denial
if now_us < seen_us then -- the clock went back
  seen_us, changed = now_us, true
  packed = string.sub(packed, 1, 30) .. struct.pack('<I7', seen_us) .. string.sub(packed, 38)
end
-- @include rate
if not denial then
  packed = string.sub(packed, 1, 23) .. struct.pack('<I7I7', backlog_second, seen_us) .. string.sub(packed, 38)
  changed = true
end
-- @include keep
if denial then
  return denial
end
return { 'paced', math.floor(math.max(0, burst * 1000000 - backlog_second) / 1000000) }
