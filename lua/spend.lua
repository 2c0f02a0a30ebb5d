#!lua
--- spend: reserve and commit in one call, for work that is done at once.
---
--- KEYS[1] account       string
--- KEYS[2] journal       stream  one delta, unless denied or answered before
--- KEYS[3] holds         zset
--- KEYS[4] details       hash
--- KEYS[5] settled_even  hash
--- KEYS[6] settled_odd   hash
---
--- ARGV[1] spend_id      str
--- ARGV[2] credits       int   0 to 2^52
--- ARGV[3] cost          int?  rate tokens, at most 10^9; -1, the default: as many as credits
--- ARGV[4] reference     str?  at most 255 bytes
--- ARGV[5] sends         str?  opaque, at most 1 MiB
---
--- -> committed     spent:int returned:int posted:int seq:int late:int replayed:int
--- -> insufficient  available:int required:int retry_after_ms:int
--- -> throttled     limit:str retry_after_ms:int required:int available:int
--- -> inactive      status:str reason:str
--- -> conflict      field:str expected:int
--- -> settled       how:str spent:int
--- -> not_loaded

local id, credits = ARGV[1], tonumber(ARGV[2])
local cost, reference, sends = -1, '', ''
if
  #ARGV > 2
  or not (credits and credits >= 0 and credits <= 1000000000 and credits % 1 == 0)
  or #id > 128
  or not string.find(id, '^[a-z%-./0-9:@A-Z_=+]+$')
then
  -- @include spend_arguments
end

-- @include open
-- @include admission
-- @include holds

-- An organization without open holds needs no look at them.
local score = open_holds > 0 and redis.call('ZSCORE', KEYS[3], id)
-- @include settled
if score or settled then
  -- @include spend_again
end

local opens_hold, min_credits = false, 0
-- @include admit
if denial then
  -- @include keep
  return denial
end

local seq, posted, used, warn_next, epoch, period_no, config_version, grants, source, expires_at, left =
  struct.unpack('<I6dI7I7I4I4I4BBI6I7', packed, 72)
local kind, flags, late, part, amount, delta = 4, 0, 0, 0, credits, nil
local front = string.sub(packed, 1, AT_RATE_STATE - 1)
  .. struct.pack('<I7I7I6I6', backlog_second, seen_us, due, next_expiry)
-- @include settle
local more = ''
if reference ~= '' or sends ~= '' or expired_sends ~= '' then
  -- @include more
  more = more_of(reference, '', sends, expired_sends)
end
local record
if amount < 65536 then
  record = struct.pack('<BI2I2', 17, amount, 0)
else
  record = struct.pack('<BI7I7I4', 17, amount, 0, 0)
end
-- @include book
return { 'committed', amount, 0, posted, seq, 0, 0 }
