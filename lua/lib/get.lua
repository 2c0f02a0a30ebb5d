-- Reads the account as bytes, and the time. What time has done since is for lib/catch_up.lua.
-- @include fields
local packed = redis.call('GET', KEYS[1])
if not packed then
  return { 'not_loaded' }
end
-- @include clock
local changed, legs, leg_count, expired_sends = false, '', 0, ''
