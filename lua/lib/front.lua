-- The account as plain locals, up to its first grant, up to now. Runs on every commit and spend.
local layout, next_change, admits, limits, max_attachment, max_open_holds, next_expiry, due, rate_second, burst
local warn_next, epoch, period_no, config_version, generation, backlog_second, seen_us, held, open_holds, ceiling
local seq, posted, used, grants, left, source, expires_at
-- @include read_front
if layout ~= LAYOUT or now_ms >= next_change then
  -- @include catch_up
  -- @include read_front
end
