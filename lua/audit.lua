#!lua flags=allow-oom
--- audit: counts held and open holds anew from the records of the holds, corrects the account, journals what it found.
---
--- KEYS[1] account       string
--- KEYS[2] journal       stream  a delta if it corrected, or time had changed the account
--- KEYS[3] holds         zset
--- KEYS[4] details       hash
--- KEYS[5] settled_even  hash    not used
--- KEYS[6] settled_odd   hash    not used
--- KEYS[7] due           zset
---
--- -> audited     held:int open_holds:int held_before:int open_holds_before:int
--- -> not_loaded

-- @include open
-- @include holds
-- @include detail
-- @include account
-- @include count_holds
-- @include append

redis.call('HLEN', KEYS[4]) -- a foreign value under a key fails here, before the first write
redis.call('ZCARD', KEYS[7])
local held, open_holds, first = count_holds()
local a = read_account(packed)
local held_before, open_holds_before = a.held, a.open_holds
a.held, a.open_holds, a.next_expiry = held, open_holds, first
local corrected = held ~= held_before or open_holds ~= open_holds_before
if corrected then
  add_leg(a, 102, 0, held - held_before)
end
packed = write_account(a)
if leg_count > 0 then
  packed = append(packed, corrected and 11 or 9, 0, '', 0, '')
end
-- @include index_expiry
redis.call('SET', KEYS[1], packed)
return { 'audited', held, open_holds, held_before, open_holds_before }
