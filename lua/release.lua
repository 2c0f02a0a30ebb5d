#!lua flags=allow-oom
--- release: settles a hold for nothing. Before its reserve has arrived it leaves a mark, so that that opens nothing.
---
--- KEYS[1] account       string
--- KEYS[2] journal       stream  a delta only with sends, or if time had changed the account
--- KEYS[3] holds         zset
--- KEYS[4] details       hash
--- KEYS[5] settled_even  hash
--- KEYS[6] settled_odd   hash
---
--- ARGV[1] hold_id       str
--- ARGV[2] reason        str?  at most 255 bytes
--- ARGV[3] sends         str?  opaque, at most 1 MiB
---
--- -> released    returned:int how:str replayed:int
--- -> not_found   replayed:int
--- -> settled     how:str spent:int
--- -> not_loaded

local id, reason, sends = ARGV[1] or '', ARGV[2] or '', ARGV[3] or ''
if #ARGV > 1 then
  -- @include refuse
  local refusal = refuse_texts('', reason, sends)
  if refusal then
    return refusal
  end
end

-- @include get
-- @include admission
-- @include holds

local score = redis.call('ZSCORE', KEYS[3], id)
local low = score and score % 16384 or 1
local returned, hold = low / 2, nil
if not score then
  returned = 0
  -- @include release_again
elseif low % 2 == 1 then
  -- @include detail
  hold = read_hold(id, tonumber(score))
  returned = hold.held
end

if score then
  held = held > returned and held - returned or 0
  open_holds = open_holds > 0 and open_holds - 1 or 0
end
packed = string.sub(packed, 1, AT_HELD - 1) .. struct.pack('<I7I4', held, open_holds) .. string.sub(packed, AT_CEILING)

if sends ~= '' or leg_count > 0 then
  redis.call('HLEN', KEYS[5]) -- a foreign value under a key fails here, before the first write
  redis.call('HLEN', KEYS[6])
  -- @include append
  if sends == '' then
    packed = append(packed, 9, 0, '', 0, '')
  else
    -- @include more
    packed = append(packed, 3, score and 0 or 2, id, 0, more_of(hold and hold.reference or '', reason, sends, ''))
  end
end
local record
if hold or not score or returned >= 65536 then
  record = struct.pack('<BI7I7I4', score and 2 or 4, hold and hold.part_credits or 0, returned, hold and hold.part or 0)
else
  record = struct.pack('<BI2I2', 2, 0, returned)
end
-- @include remember
redis.call('SET', KEYS[1], packed)
if not score then
  return { 'not_found', 0 }
end
redis.call('ZREM', KEYS[3], id)
if hold and hold.detailed then
  redis.call('HDEL', KEYS[4], id)
end
return { 'released', returned, 'released', 0 }
