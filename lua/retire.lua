#!lua flags=allow-oom
--- retire: takes an account out of Redis, with a delta that says so. Holds and settled ids stay.
---
--- KEYS[1] account       string
--- KEYS[2] journal       stream  one delta
---
--- ARGV[1] epoch         int   1 or more: the epoch that shall go; an account of a newer one stays
---
--- -> retired     posted:int seq:int
--- -> newer       epoch:int
--- -> not_loaded

-- @include refuse
local epoch = whole(ARGV[1], 1, 4294967295)
if not epoch then
  return refuse('epoch', false, '1 to 4294967295')
end

-- @include open
-- @include append
local present = struct.unpack('<I4', packed, AT_EPOCH)
if present > epoch then
  -- @include keep
  return { 'newer', present }
end
packed = append(packed, 8, 0, '', 0, '')
redis.call('DEL', KEYS[1])
local seq, posted = struct.unpack('<I6d', packed, AT_SEQ)
return { 'retired', posted, seq }
