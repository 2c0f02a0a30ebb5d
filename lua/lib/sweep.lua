-- Settles overdue holds for nothing, the earliest first (README, section 3.3).
-- @include account
-- @include detail
-- @include changeover
local SWEEP_GRACE_MS = 250

-- Sweeps at most `limit` holds. Answers the account, whether more are due, the ids of those that
-- had carried sends (joined by newlines), how many were swept and their credits.
local function sweep(bytes, limit)
  for i = 4, 6 do -- a foreign value under a key fails here, before the first write
    redis.call('HLEN', KEYS[i])
  end
  redis.call('XLEN', KEYS[2])
  local edge = string.format('(%.0f', (now_ms - SWEEP_GRACE_MS + 1 - HOLD_ERA) * 16384)
  local due = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', edge, 'WITHSCORES', 'LIMIT', 0, limit)
  local a = read_account(bytes)
  local ids, freed, announced, records = {}, 0, {}, {}
  for i = 1, #due, 2 do
    local id, hold = due[i], read_hold(due[i], tonumber(due[i + 1]))
    ids[#ids + 1] = id
    freed = freed + hold.held
    if hold.sends == 1 then
      announced[#announced + 1] = id
    end
    if hold.detailed then
      redis.call('HDEL', KEYS[4], id)
    end
    records[#records + 1] = id
    records[#records + 1] = struct.pack('<BI7I7I4', 3, hold.part_credits, hold.held, hold.part)
  end
  if #ids > 0 then
    local now_generation = math.floor(now_ms / 600000)
    if a.generation < now_generation then
      change_over(now_generation)
      a.generation = now_generation
    end
    redis.call('HSET', KEYS[5 + a.generation % 2], unpack(records))
    redis.call('ZREM', KEYS[3], unpack(ids))
  end
  a.held, a.open_holds = math.max(0, a.held - freed), math.max(0, a.open_holds - #ids)
  local first = redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')[2]
  a.next_expiry = first and math.floor(first / 16384) + HOLD_ERA or NEVER
  return write_account(a), a.next_expiry + SWEEP_GRACE_MS <= now_ms, table.concat(announced, '\n'), #ids, freed
end
