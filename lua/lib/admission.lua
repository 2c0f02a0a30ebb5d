-- The account as plain locals, as far as admission goes, up to now. Runs on every reserve.
local layout, next_change, admits, limits, max_attachment, max_open_holds, next_expiry, due, rate_second, burst
local warn_next, epoch, period_no, config_version, generation, backlog_second, seen_us, held, open_holds, ceiling
-- @include read_admission
if layout ~= LAYOUT or now_ms >= next_change then
  -- @include catch_up
  -- @include read_admission
end
