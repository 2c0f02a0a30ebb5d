-- Judges whether `credits` more may be set aside or spent: status, credits, open holds, rate, in
-- this order. Sets `granted` and the rate state, or `denial`. Of the account only what the sweep did
-- is in `packed` then.
local granted, denial, longer, available = credits, nil, nil, ceiling - held
local went_back = now_us < seen_us -- the clock: elapsed time counts from now on
if went_back then
  seen_us = now_us
end
if admits == 0 then
  -- @include inactive
  denial = inactive_answer(packed)
elseif (available < credits and credits > 0) or (opens_hold and max_open_holds > 0 and open_holds >= max_open_holds) then
  local more = next_expiry + 250 <= now_ms
  if more then
    -- @include sweep
    local swept
    packed, more, expired_sends, swept = sweep(packed, 64)
    -- @include read_admission
    available, changed, seen_us = ceiling - held, changed or swept > 0, math.min(seen_us, now_us)
  end
  -- @include lacking
end
local tokens = cost < 0 and granted or cost
if not denial and tokens > 0 then
  -- @include rate
end
