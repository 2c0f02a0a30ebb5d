-- Too few credits or too many open holds: fewer credits than asked, where that will do, or the denial.
available = math.max(0, available)
local full = opens_hold and max_open_holds > 0 and open_holds >= max_open_holds
local expires_at = next_expiry
if open_holds > 0 then -- the hold that was to expire first may have been settled since
  -- @include holds
  local first = redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')[2]
  expires_at = first and math.floor(first / 16384) + HOLD_ERA or NEVER
end
local expiry_in = math.max(1, expires_at + 250 - now_ms)
if more and (available < credits or full) then
  denial = { 'throttled', 'sweep', 1, credits, available }
elseif available < credits and (min_credits == 0 or available < min_credits) then
  local retry_after_ms = next_change < NEVER and math.max(1, next_change - now_ms) or -1
  if open_holds > 0 and (retry_after_ms < 0 or expiry_in < retry_after_ms) then
    retry_after_ms = expiry_in
  end
  denial = { 'insufficient', available, min_credits > 0 and min_credits or credits, retry_after_ms }
elseif full then
  denial = { 'throttled', 'open_holds', expiry_in, 1, 0 }
else
  granted = math.min(credits, available)
end
