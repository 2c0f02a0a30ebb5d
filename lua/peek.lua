#!lua flags=no-writes
--- peek: the account as it is now and the verdict on so many credits. Writes nothing.
---
--- KEYS[1] account       string
--- KEYS[2] journal       stream  not used
--- KEYS[3] holds         zset
---
--- ARGV[1] credits       int   1 to 2^52
---
--- -> account     verdict:str limit:str retry_after_ms:int required:int available:int reason:str status:str
---                 posted:int held:int open_holds:int overage:int debt:int used:int epoch:int seq:int
---                 period_no:int config_version:int started_at_ms:int ends_at_ms:int grace_until_ms:int
---                 warn_basis:int warned_percent:int tokens:int overage_limit:int rate_per_second:int burst:int
---                 rate_per_minute:int rate_per_hour:int strict_burst:int max_open_holds:int
---                 max_attachment_size_mb:int max_debt:int next_expiry_ms:int next_change_at_ms:int
---                 grants:list coming:list
---                 verdict: reserved, insufficient, throttled or inactive, and the fields of that answer (of
---                 inactive, limit is the status); grants: source, left, expires_at_ms of each, in burn order; coming:
---                 period_no, ends_at_ms, allowance, status (0: as it is), config_version (0: as it is) of each;
---                 2^48 - 1 ms: never
--- -> not_loaded

local credits = tonumber(ARGV[1])
if not (credits and credits >= 1 and credits <= 4503599627370496 and credits % 1 == 0) then
  return redis.error_reply('GATE_BADARG credits 1 to 4503599627370496')
end

-- @include get
-- @include admission
-- @include account
local a = read_account(packed)
local backlog_now = math.max(0, backlog_second - rate_second * math.max(0, now_us - seen_us))
local tokens_now = math.floor(math.max(0, burst * 1000000 - backlog_now) / 1000000)

-- As lib/admit.lua judges, without a sweep.
local opens_hold, min_credits, tokens = true, 0, math.min(credits, COST_MAX)
local granted, denial, longer, available = credits, nil, nil, ceiling - held
local more = next_expiry + 250 <= now_ms
if admits == 0 then
  -- @include inactive
  denial = inactive_answer(packed)
else
  -- @include lacking
end
if not denial then
  -- @include rate
end
local verdict, said = 'reserved', { '', 0, credits, math.max(0, ceiling - held), '' }
if denial and denial[1] == 'throttled' then
  verdict, said = 'throttled', { denial[2], denial[3], denial[4], denial[5], '' }
elseif denial and denial[1] == 'insufficient' then
  verdict, said = 'insufficient', { '', denial[4], denial[3], denial[2], '' }
elseif denial then
  verdict, said = 'inactive', { denial[2], -1, credits, math.max(0, ceiling - held), denial[3] }
end

local grants, coming = {}, {}
for _, grant in ipairs(a.grants) do
  for _, value in ipairs({ grant.source, grant.left, grant.expires_at }) do
    grants[#grants + 1] = value
  end
end
for _, period in ipairs(a.coming) do
  local version = period.terms and period.terms.config_version or 0
  for _, value in ipairs({ period.period_no, period.ends_at, period.allowance, period.status, version }) do
    coming[#coming + 1] = value
  end
end
return {
  'account',
  verdict,
  said[1],
  said[2],
  said[3],
  said[4],
  said[5],
  ({ 'active', 'trialing', 'past_due', 'paused', 'cancelled', 'frozen' })[a.status],
  a.posted,
  a.held,
  a.open_holds,
  a.overage,
  a.debt,
  a.used,
  a.epoch,
  a.seq,
  a.period_no,
  a.config_version,
  a.started_at,
  a.ends_at,
  a.grace_until,
  a.warn_basis,
  a.warned,
  tokens_now,
  a.overage_limit,
  a.rate_second,
  a.burst,
  a.rate_minute,
  a.rate_hour,
  a.strict,
  a.max_open_holds,
  a.max_attachment,
  a.max_debt,
  a.next_expiry,
  a.next_change,
  grants,
  coming,
}
