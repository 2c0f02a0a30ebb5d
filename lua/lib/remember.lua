-- Writes the `record` of a settled id. Where a foreign value stands under the key it answers the
-- error, and takes back the journal's `entry`, the only write before it.
local now_generation, failure = math.floor(now_ms / 600000), nil
if generation < now_generation then
  -- @include changeover
  failure, generation = change_over(now_generation), now_generation
  packed = string.sub(packed, 1, AT_BOOKS - 1) .. struct.pack('<I4', generation) .. string.sub(packed, AT_BOOKS + 4)
end
failure = failure or redis.pcall('HSET', KEYS[5 + generation % 2], id, record)
if type(failure) == 'table' then
  if entry then
    redis.call('XDEL', KEYS[2], entry)
  end
  return failure
end
