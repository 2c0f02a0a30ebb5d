#!lua flags=allow-oom
--- expire: settles overdue holds of one organization for nothing. Whoever finds it in the partition's index calls it,
--- again as long as it answers that more are due.
---
--- KEYS[1] account       string
--- KEYS[2] journal       stream  a delta if a hold that expired had carried sends, or time had changed the account
--- KEYS[3] holds         zset
--- KEYS[4] details       hash
--- KEYS[5] settled_even  hash
--- KEYS[6] settled_odd   hash
--- KEYS[7] due           zset    moves the organization to its next expiry, or takes it out
---
--- ARGV[1] limit         int   holds at most, 1 to 1,000
---
--- -> expired     holds:int credits:int more:int
--- -> not_loaded

-- @include refuse
local limit = whole(ARGV[1], 1, 1000)
if not limit then
  return refuse('limit', false, '1 to 1000')
end
if redis.call('EXISTS', KEYS[1]) == 0 then -- `load` puts it back into the index, if there are holds
  redis.call('ZREM', KEYS[7], string.sub(KEYS[1], 14))
  return { 'not_loaded' }
end

-- @include open
-- @include holds
-- @include sweep
redis.call('ZCARD', KEYS[7]) -- a foreign value under the key fails here, before the first write
local more, holds, credits
packed, more, expired_sends, holds, credits = sweep(packed, limit)
changed = true
-- @include index_expiry
-- @include keep
return { 'expired', holds, credits, more and 1 or 0 }
