-- Writes the `record` of a settled id, before all else that is written: where a foreign value stands
-- under its key it fails and nothing has changed.
local now_generation = math.floor(now_ms / 600000)
if generation < now_generation then
  -- @include changeover
  change_over(now_generation)
  generation = now_generation
  packed = string.sub(packed, 1, AT_BOOKS - 1) .. struct.pack('<I4', generation) .. string.sub(packed, AT_BOOKS + 4)
end
redis.call('HSET', KEYS[5 + generation % 2], id, record)
