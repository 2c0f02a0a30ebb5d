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

local id, credits = ARGV[1] or '', tonumber(ARGV[2])
local cost, reference, sends = -1, '', ''
if
  #ARGV > 2
  or not (credits and credits >= 0 and credits <= 1000000000 and credits % 1 == 0)
  or #id > 128
  or not string.find(id, '^[a-z%-./0-9:@A-Z_=+]+$')
then
  -- @include spend_arguments
end

-- @include get
-- @include front
-- @include holds

-- What was settled in this generation, HSETNX tells below; before anything else is said, it is asked.
-- An organization without open holds needs no look at them.
local score = open_holds > 0 and redis.call('ZSCORE', KEYS[3], id)
local now_generation, settled = math.floor(now_ms / 600000), false
if generation >= now_generation then
  settled = redis.call('HGET', KEYS[6 - generation % 2], id)
elseif generation == now_generation - 1 then
  settled = redis.call('HGET', KEYS[5 + generation % 2], id)
end
local lacks = ceiling - held < credits or admits == 0
if score or settled or lacks then
  -- @include spend_again
end

local opens_hold, min_credits = false, 0
-- @include admit
if denial then
  if not lacks then
    -- @include spend_again
  end
  if went_back then
    -- @include clock_went_back
  end
  -- @include keep
  return denial
end

local record
if credits < 65536 then
  record = struct.pack('<BI2I2', 17, credits, 0)
else
  record = struct.pack('<BI7I7I4', 17, credits, 0, 0)
end
if generation < now_generation then
  -- @include enter_generation
end
if redis.call('HSETNX', KEYS[5 + generation % 2], id, record) == 0 then
  -- @include spend_again
end
if longer then
  packed = string.sub(packed, 1, #packed - 22) .. longer
end
local kind, flags, part, amount, delta, more = 4, 0, 0, credits, nil, ''
local before, changes = AT_BACKLOG - 1, struct.pack('<I7I7I7I4', backlog_second, seen_us, held, open_holds)
-- @include settle
if reference ~= '' or sends ~= '' or expired_sends ~= '' then
  -- @include more
  more = more_of(reference, '', sends, expired_sends)
end
local entry = redis.pcall('XADD', KEYS[2], '*', 'o', string.sub(KEYS[1], 14), 'i', id, 'd', delta, 'm', more)
if type(entry) == 'table' then -- a foreign value under the key: as if nothing had been
  redis.call('HDEL', KEYS[5 + generation % 2], id)
  return entry
end
redis.call('SET', KEYS[1], packed)
return { 'committed', amount, 0, posted, seq, 0, 0 }
