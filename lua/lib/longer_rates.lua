-- All limits of the account together: names the one that does not let `tokens` pass.
-- @include account

local function take(backlog_before, rate, limit_burst, unit, elapsed, strict)
  local rest = math.max(0, backlog_before - rate * elapsed)
  local taken = rest + tokens * unit
  if taken <= limit_burst * unit or (rest == 0 and tokens > limit_burst and strict == 0) then
    return taken
  end
  local left = math.floor(math.max(0, limit_burst * unit - rest) / unit)
  if tokens <= limit_burst then
    return nil, math.ceil((taken - limit_burst * unit) / rate), left
  end
  return nil, strict == 1 and -1 or math.ceil(rest / rate), left
end

-- Answers the backlog of the limit per second, or nil and sets `denial`.
local function take_all()
  local a = read_account(packed)
  local elapsed_ms = math.max(0, now_ms - math.floor(seen_us / 1000))
  local second, wait, left = take(backlog_second, rate_second, burst, 1000000, elapsed_us, a.strict)
  local limit = 'second'
  if wait and wait > 0 then
    wait = math.ceil(wait / 1000)
  end
  for _, longer in ipairs({ { 'minute', 60000 }, { 'hour', 3600000 } }) do
    local name = longer[1]
    local rate = a['rate_' .. name]
    if rate > 0 then
      local taken, longer_wait, longer_left = take(a['backlog_' .. name], rate, rate, longer[2], elapsed_ms, 0)
      if taken then
        a['backlog_' .. name] = taken
      elseif wait ~= -1 and longer_wait > (wait or 0) then
        limit, wait, left = name, longer_wait, longer_left
      end
    end
  end
  if wait then
    denial = { 'throttled', limit, wait, tokens, left }
    return nil
  end
  packed = write_account(a)
  return second
end
