-- Writes a settlement: the settled id, where there is one, the delta, the account. Where a foreign
-- value stands under the key of the first or the second, nothing has changed in the end.
local replaced = late == 1 and redis.call('HGET', KEYS[5 + generation % 2], id)
if record then
  -- @include remember
end
local entry = redis.pcall('XADD', KEYS[2], '*', 'o', string.sub(KEYS[1], 14), 'i', id, 'd', delta, 'm', more)
if type(entry) == 'table' then
  if replaced then
    redis.call('HSET', KEYS[5 + generation % 2], id, replaced)
  elseif record then
    redis.call('HDEL', KEYS[5 + generation % 2], id)
  end
  return entry
end
redis.call('SET', KEYS[1], packed)
