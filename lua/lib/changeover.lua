-- The first settled id of a generation: clears what does not belong to this generation and the one
-- before. Foreign values under the keys fail here, before the first write.
local function change_over(now_generation)
  redis.call('XLEN', KEYS[2])
  local marks = { redis.call('HGET', KEYS[5], ''), redis.call('HGET', KEYS[6], '') }
  for i = 1, 2 do
    local belongs = now_generation - (now_generation + i + 1) % 2
    if tonumber(marks[i] or -1) ~= belongs then
      redis.call('DEL', KEYS[4 + i])
    end
  end
  local key = KEYS[5 + now_generation % 2]
  redis.call('HSET', key, '', now_generation)
  redis.call('PEXPIRE', key, 1800000) -- three generations; for the memory only, what counts is the number
end
