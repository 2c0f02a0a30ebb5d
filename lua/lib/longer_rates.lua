-- All limits of the account together: takes from each, or names the one that does not let `tokens`
-- pass. Limits per minute and hour are LONGER, the last 22 bytes of the account; what they are then
-- is `longer`, for the verb to write.
local function take(backlog_before, rate, limit_burst, unit, elapsed, strict)
  local rest = math.max(0, backlog_before - rate * elapsed)
  local taken = rest + tokens * unit
  if taken <= limit_burst * unit or (rest == 0 and tokens > limit_burst and strict == 0) then
    return taken
  end
  local there = math.floor(math.max(0, limit_burst * unit - rest) / unit)
  if tokens <= limit_burst then
    return nil, math.ceil((taken - limit_burst * unit) / rate), there
  end
  return nil, strict == 1 and -1 or math.ceil(rest / rate), there
end

local limit, wait, there = 'second', nil, nil
after, wait, there = take(backlog_second, rate_second, burst, 1000000, elapsed_us, limits % 2)
if wait and wait > 0 then
  wait = math.ceil(wait / 1000)
end
if limits >= 2 then
  local rate_minute, minute, rate_hour, hour = struct.unpack('<I4I7I4I7', packed, #packed - 21)
  local elapsed_ms = math.max(0, now_ms - math.floor(seen_us / 1000))
  local longer_wait, longer_there
  if rate_minute > 0 then
    minute, longer_wait, longer_there = take(minute, rate_minute, rate_minute, 60000, elapsed_ms, 0)
    if longer_wait and wait ~= -1 and longer_wait > (wait or 0) then
      limit, wait, there = 'minute', longer_wait, longer_there
    end
  end
  if rate_hour > 0 then
    hour, longer_wait, longer_there = take(hour, rate_hour, rate_hour, 3600000, elapsed_ms, 0)
    if longer_wait and wait ~= -1 and longer_wait > (wait or 0) then
      limit, wait, there = 'hour', longer_wait, longer_there
    end
  end
  longer = not wait and struct.pack('<I4I7I4I7', rate_minute, minute, rate_hour, hour)
end
if wait then
  after = nil
  denial = { 'throttled', limit, wait, tokens, there }
end
