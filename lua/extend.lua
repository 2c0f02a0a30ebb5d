#!lua
--- extend: the hold shall have at least so many credits, and live at least so long from now.
---
--- KEYS[1] account       string
--- KEYS[2] journal       stream  a delta only if time had changed the account
--- KEYS[3] holds         zset
--- KEYS[4] details       hash
--- KEYS[5] settled_even  hash
--- KEYS[6] settled_odd   hash
---
--- ARGV[1] hold_id       str
--- ARGV[2] to_credits    int   1 to 2^52; 0: as it is
--- ARGV[3] ttl_ms        int   1,000 to 604,800,000; 0: as it is
---
--- -> extended      credits:int expires_at_ms:int available:int
--- -> insufficient  available:int required:int retry_after_ms:int
--- -> throttled     limit:str retry_after_ms:int required:int available:int
--- -> inactive      status:str reason:str
--- -> settled       how:str spent:int
--- -> not_found
--- -> not_loaded

local id, to_credits, ttl_ms = ARGV[1] or '', tonumber(ARGV[2]), tonumber(ARGV[3])
if
  not (to_credits and ttl_ms and to_credits >= 0 and to_credits <= 4503599627370496)
  or not (ttl_ms >= 1000 and ttl_ms <= 604800000 or ttl_ms == 0)
  or to_credits % 1 + ttl_ms % 1 ~= 0
then
  -- @include refuse
  return refuse('to_credits', whole(ARGV[2], 0, 4503599627370496), '0 to 4503599627370496')
    or refuse('ttl_ms', false, '0 or 1000 to 604800000')
end

-- @include get
-- @include admission
-- @include holds
local score = redis.call('ZSCORE', KEYS[3], id)
local low = score and score % 16384 or 1
local expires_at = score and (score - low) / 16384 + HOLD_ERA or 0
if expires_at <= now_ms then
  -- @include extend_settled
end
if ttl_ms > 0 and now_ms + ttl_ms > expires_at then
  expires_at = now_ms + ttl_ms
end
local hold_credits = low / 2
if low % 2 == 1 or to_credits > hold_credits then
  -- @include extend_credits
else -- more time for a plain hold changes nothing of the account
  -- @include keep
  redis.call('ZADD', KEYS[3], (expires_at - HOLD_ERA) * 16384 + low, id)
end
local available = ceiling - held
return { 'extended', hold_credits, expires_at, available > 0 and available or 0 }
