#!lua
--- reserve: sets credits of one organization aside under an id of the caller's, for a time.
---
--- KEYS[1] account       string
--- KEYS[2] journal       stream  a delta only with sends, or if time had changed the account
--- KEYS[3] holds         zset
--- KEYS[4] details       hash
--- KEYS[5] settled_even  hash
--- KEYS[6] settled_odd   hash
--- KEYS[7] due           zset
---
--- ARGV[1] hold_id       str
--- ARGV[2] credits       int   1 to 2^52
--- ARGV[3] ttl_ms        int   1,000 to 604,800,000
--- ARGV[4] min_credits   int?  0, the default: all or nothing; else as many as fit, at least so many
--- ARGV[5] cost          int?  rate tokens, at most 10^9; -1, the default: as many as credits are granted
--- ARGV[6] reference     str?  at most 255 bytes
--- ARGV[7] sends         str?  opaque, at most 1 MiB
---
--- -> reserved      credits:int expires_at_ms:int available:int max_attachment_size_mb:int replayed:int
--- -> insufficient  available:int required:int retry_after_ms:int
--- -> throttled     limit:str retry_after_ms:int required:int available:int
--- -> inactive      status:str reason:str
--- -> conflict      field:str expected:int
--- -> settled       how:str spent:int
--- -> not_loaded

local id, credits, ttl_ms = ARGV[1] or '', tonumber(ARGV[2]), tonumber(ARGV[3])
local min_credits, cost, reference, sends = 0, -1, '', ''
if
  #ARGV > 3
  or not (credits and ttl_ms and credits >= 1 and credits <= 1000000000 and ttl_ms >= 1000 and ttl_ms <= 604800000)
  or credits % 1 + ttl_ms % 1 ~= 0
  or #id > 128
  or not string.find(id, '^[a-z%-./0-9:@A-Z_=+]+$')
then
  -- @include reserve_arguments
end

-- @include get
-- @include admission
-- @include holds
-- @include settled
if settled then
  -- @include reserve_again
end

-- Whether the id is that of an open hold, ZADD NX tells below; before anything else is said, it is asked.
local opens_hold = true
local lacks = ceiling - held < credits or admits == 0 or (open_holds >= max_open_holds and max_open_holds > 0)
if lacks then
  -- @include reserve_open
end
-- @include admit
if denial then
  if not lacks then
    -- @include reserve_open
  end
  if went_back then
    -- @include clock_went_back
  end
  -- @include keep
  return denial
end

local expires_at = now_ms + ttl_ms
local simple = granted <= HOLD_CREDITS_MAX and granted == credits and min_credits + #reference + #sends == 0
  and leg_count == 0 and expired_sends == ''
local falls_due = expires_at < next_expiry or expires_at < due
if falls_due then
  redis.call('ZCARD', KEYS[7]) -- a foreign value under the key fails here, before the first write
end
if not simple then
  -- @include reserve_open
elseif redis.call('ZADD', KEYS[3], 'NX', (expires_at - HOLD_ERA) * 16384 + granted * 2, id) == 0 then
  -- @include reserve_open
end
if longer then
  packed = string.sub(packed, 1, #packed - 22) .. longer
end
held = held + granted
packed = string.sub(packed, 1, AT_BACKLOG - 1)
  .. struct.pack('<I7I7I7I4', backlog_second, seen_us, held, open_holds + 1)
  .. string.sub(packed, AT_CEILING)
if not simple then
  -- @include reserve_detailed
end
if falls_due then
  -- @include reserve_due
end
redis.call('SET', KEYS[1], packed)
available = ceiling - held
return { 'reserved', granted, expires_at, available > 0 and available or 0, max_attachment, 0 }
