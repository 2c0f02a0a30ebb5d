#!lua flags=allow-oom
--- commit: settles a hold as spent; never refused for lack of credits.
---
--- KEYS[1] account       string
--- KEYS[2] journal       stream  one delta, unless the answer was given before
--- KEYS[3] holds         zset
--- KEYS[4] details       hash
--- KEYS[5] settled_even  hash
--- KEYS[6] settled_odd   hash
---
--- ARGV[1] hold_id       str
--- ARGV[2] credits       int   0 to 2^52; -1: all that is held
--- ARGV[3] hold_credits  int   0 to 2^52: what the caller believes is held
--- ARGV[4] final         int?  1, the default; 0: settles a part and keeps the hold
--- ARGV[5] part          int?  1, 2, … in order; 0, the default: not in parts
--- ARGV[6] reference     str?  at most 255 bytes; empty: the one given at reserve
--- ARGV[7] sends         str?  opaque, at most 1 MiB
---
--- -> committed   spent:int returned:int posted:int seq:int late:int replayed:int
--- -> settled     how:str spent:int
--- -> conflict    field:str expected:int
--- -> not_loaded

local id, credits, hold_credits = ARGV[1] or '', tonumber(ARGV[2]), tonumber(ARGV[3])
local final, part, reference, sends = 1, 0, '', ''
if
  #ARGV > 3
  or not (credits and hold_credits and credits >= -1 and credits <= 1000000000)
  or not (hold_credits >= 0 and hold_credits <= 1000000000)
  or credits % 1 + hold_credits % 1 ~= 0
then
  -- @include commit_arguments
end

-- @include get
-- @include front
-- @include holds

local score = redis.call('ZSCORE', KEYS[3], id)
local low = score and score % 16384 or 1
local hold, late, flags = nil, 0, 0
if low % 2 == 1 or part > 0 then
  -- @include commit_lookup
end

-- What is held by this hold, or what the caller says of one that is gone.
local hold_held = hold and hold.held or score and low / 2 or hold_credits
local amount = credits < 0 and hold_held or credits
if (amount > hold_held + 1000 and amount > 2 * hold_held) or posted - amount < -CREDITS_MAX then
  -- @include keep
  return { 'conflict', 'credits', hold_held }
end

local returned = 0
if score then
  local leaves = final == 1 and hold_held or math.min(amount, hold_held)
  held = held > leaves and held - leaves or 0
  if final == 1 then
    open_holds = open_holds > 0 and open_holds - 1 or 0
    returned = hold_held > amount and hold_held - amount or 0
  end
end
local kind, record, delta = 2, nil, nil
local before, changes = AT_HELD - 1, struct.pack('<I7I4', held, open_holds)
if score and final == 0 then
  flags = flags + 4
end
-- @include settle
local more = ''
if reference ~= '' or sends ~= '' then
  -- @include more
  more = more_of(reference, '', sends, '')
end
if score and final == 0 then
  -- @include commit_part
else
  local how = 1 + late * 8 + (amount == hold_held and 16 or 0) + (1 - final) * 32
  if part == 0 and amount < 65536 and returned < 65536 then
    record = struct.pack('<BI2I2', how, amount, returned)
  else
    record = struct.pack('<BI7I7I4', how, amount, returned, part)
  end
end
-- @include book
if score and record then
  redis.call('ZREM', KEYS[3], id)
  if hold and hold.detailed then
    redis.call('HDEL', KEYS[4], id)
  end
end
return { 'committed', amount, returned, posted, seq, late, 0 }
