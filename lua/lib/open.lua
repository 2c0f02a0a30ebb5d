-- Reads the account and brings it up to now. Sets `packed`, the time, and what time has done.
-- @include get
local layout, next_change = struct.unpack('<BI6', packed)
if layout ~= LAYOUT or now_ms >= next_change then
  -- @include catch_up
end
