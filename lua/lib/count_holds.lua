-- Counts the open holds anew from their records: held, how many, earliest expiry. It takes as long
-- as there are holds.
local function count_holds()
  local held, count, first = 0, 0, NEVER
  repeat
    local page = redis.call('ZRANGE', KEYS[3], count, count + 999, 'WITHSCORES')
    for i = 1, #page, 2 do
      local hold = read_hold(page[i], tonumber(page[i + 1]))
      held, count, first = held + hold.held, count + 1, math.min(first, hold.expires_at)
    end
  until #page == 0
  return held, count, first
end
