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

-- @include refuse
local id, to_credits = ARGV[1], whole(ARGV[2], 0, 4503599627370496)
local ttl_ms = ARGV[3] == '0' and 0 or whole(ARGV[3], 1000, 604800000)
local refusal = refuse_id('hold_id', id)
  or refuse('to_credits', to_credits, '0 to 4503599627370496')
  or refuse('ttl_ms', ttl_ms, '0 or 1000 to 604800000')
if refusal then
  return refusal
end

-- @include open
-- @include admission
-- @include holds
-- @include detail
local score = redis.call('ZSCORE', KEYS[3], id)
local hold = score and read_hold(id, tonumber(score))
if not hold or hold.expires_at <= now_ms then
  -- @include settled
  -- @include settlement
  -- @include keep
  if hold then
    return { 'settled', 'expired', 0 }
  elseif settled then
    local known = read_settlement(settled)
    return { 'settled', known.name, known.spent }
  end
  return { 'not_found' }
end

local credits = math.max(0, to_credits - hold.held)
if credits > COST_MAX then
  return redis.error_reply('GATE_BADARG to_credits at most 1000000000 more than are held')
elseif credits > 0 then
  local opens_hold, min_credits, cost = false, 0, -1
  -- @include admit
  if denial then
    -- @include keep
    return denial
  end
end
hold.held = hold.held + credits
held = held + credits
if ttl_ms > 0 then
  hold.expires_at = math.max(hold.expires_at, now_ms + ttl_ms)
end
packed = string.sub(packed, 1, AT_RATE_STATE - 1)
  .. struct.pack(RATE_STATE, backlog_second, seen_us, due, next_expiry, generation, held, open_holds)
  .. string.sub(packed, BEHIND_RATE_STATE)
redis.call('HLEN', KEYS[4]) -- a foreign value under the key fails here, before the first write
changed = true
-- @include keep
write_hold(id, hold)
return { 'extended', hold.held, hold.expires_at, math.max(0, ceiling - held) }
