-- Reads the account and brings it up to now. Sets `packed`, the time, and what time has done:
-- `changed`, `legs`.
-- @include fields
local packed = redis.call('GET', KEYS[1])
if not packed then
  return { 'not_loaded' }
end
local layout, next_change = struct.unpack('<BI6', packed)
if layout ~= LAYOUT then
  return redis.error_reply('GATE_LAYOUT ' .. KEYS[1] .. ' has layout ' .. layout .. ', this script knows ' .. LAYOUT)
end
-- @include clock
local changed, legs, leg_count, expired_sends = false, '', 0, ''
if now_ms >= next_change then
  -- @include advance
  packed = advance(packed)
  changed = true
end
