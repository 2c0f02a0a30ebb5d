-- Writes a settlement: the delta first (where a foreign value stands under the journal's key it
-- fails and nothing has changed), then the settled id, where there is one, then the account.
local entry = redis.call('XADD', KEYS[2], '*', 'o', string.sub(KEYS[1], 14), 'i', id, 'd', delta, 'm', more)
if record then
  -- @include remember
end
redis.call('SET', KEYS[1], packed)
