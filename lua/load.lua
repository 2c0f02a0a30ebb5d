#!lua flags=allow-oom
--- load: puts an account into Redis where it is absent. Open holds and settled ids that are there count again.
---
--- KEYS[1] account       string
--- KEYS[2] journal       stream  one delta
--- KEYS[3] holds         zset
--- KEYS[4] details       hash
--- KEYS[5] settled_even  hash
--- KEYS[6] settled_odd   hash
--- KEYS[7] due           zset
---
--- ARGV[1] packed        str   the account as lib/account.lua packs it, seq being the last that is booked; what follows
---                             of the rest (posted, held, ceiling, admits, next_change_at, …) may be 0
---
--- -> loaded      posted:int seq:int
--- -> present     epoch:int seq:int

-- @include fields
local present = redis.call('GET', KEYS[1])
local packed = present or ARGV[1]
local layout = string.byte(packed)
if layout ~= LAYOUT then
  local found = KEYS[1] .. ' has layout ' .. (layout or 0)
  return redis.error_reply('GATE_LAYOUT ' .. found .. ', this script knows ' .. LAYOUT)
end
if present then
  local seq = struct.unpack('<I6', packed, AT_SEQ)
  return { 'present', struct.unpack('<I4', packed, AT_EPOCH), seq }
end

-- @include clock
local legs, leg_count = '', 0
-- @include holds
-- @include detail
-- @include account
-- @include count_holds
-- @include append
for i = 4, 6 do -- a foreign value under a key fails here, before the first write
  redis.call('HLEN', KEYS[i])
end
redis.call('ZCARD', KEYS[7])
local even, odd = tonumber(redis.call('HGET', KEYS[5], '') or 0), tonumber(redis.call('HGET', KEYS[6], '') or 0)
local a = read_account(packed)
a.held, a.open_holds, a.next_expiry = count_holds()
a.seen_us = now_us
a.generation = math.max(even, odd) -- settled ids of a former load go on from the newer generation
packed = append(write_account(a), 7, 0, '', 0, '')
if math.abs(even - odd) > 1 then
  redis.call('DEL', even < odd and KEYS[5] or KEYS[6])
end
-- @include index_expiry
redis.call('SET', KEYS[1], packed)
local seq, posted = struct.unpack('<I6d', packed, AT_SEQ)
return { 'loaded', posted, seq }
