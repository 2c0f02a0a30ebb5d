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

-- @include get
-- @include admission
local denial, longer
-- @include rate
if denial then
  if now_us < seen_us then
    -- @include clock_went_back
  end
  -- @include keep
  return denial
end
if longer then
  packed = string.sub(packed, 1, #packed - 22) .. longer
end
packed = string.sub(packed, 1, AT_BACKLOG - 1)
  .. struct.pack('<I7I7', backlog_second, seen_us)
  .. string.sub(packed, AT_HELD)
if leg_count > 0 then
  changed = true
  -- @include keep
else
  redis.call('SET', KEYS[1], packed)
end
local tokens_left = burst - math.ceil(backlog_second / 1000000)
return { 'paced', tokens_left > 0 and tokens_left or 0 }
