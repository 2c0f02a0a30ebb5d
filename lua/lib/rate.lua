-- Takes `tokens` from every limit, or sets `denial`. Exact in integers: the leaky bucket form of
-- GCRA (README, section 3.2; ITU-T I.371 annex A). The limit per second stands in locals, longer
-- ones behind the account.
local elapsed_us = now_us - seen_us
if elapsed_us < 0 then
  elapsed_us = 0
end
local backlog = backlog_second - rate_second * elapsed_us
if backlog < 0 then
  backlog = 0
end
local after = backlog + tokens * 1000000
if limits > 0 or (after > burst * 1000000 and (tokens <= burst or backlog > 0)) then
  -- @include longer_rates
end
if after then
  backlog_second = after
  seen_us = now_us
end
