-- More credits for a hold, or a hold with a detail.
-- @include detail
local hold = read_hold(id, tonumber(score))
local credits = math.max(0, to_credits - hold.held)
if credits > COST_MAX then
  return redis.error_reply('GATE_BADARG to_credits at most 1000000000 more than are held')
elseif credits > 0 then
  local opens_hold, min_credits, cost = false, 0, -1
  -- @include admit
  if denial then
    if went_back then
      -- @include clock_went_back
    end
    -- @include keep
    return denial
  elseif longer then
    packed = string.sub(packed, 1, #packed - 22) .. longer
  end
end
hold.held, hold.expires_at = hold.held + credits, expires_at
held = held + credits
packed = string.sub(packed, 1, AT_BACKLOG - 1)
  .. struct.pack('<I7I7I7I4', backlog_second, seen_us, held, open_holds)
  .. string.sub(packed, AT_CEILING)
redis.call('HLEN', KEYS[4]) -- a foreign value under the key fails here, before the first write
changed = true
-- @include keep
write_hold(id, hold)
hold_credits = hold.held
