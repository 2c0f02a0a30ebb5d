-- What a settlement needs of the account, into the locals of lib/front.lua. Without a grant the last
-- three say nothing.
layout, next_change, admits, limits, max_attachment, max_open_holds, next_expiry, due, rate_second, burst, warn_next,
  epoch, period_no, config_version, generation, backlog_second, seen_us, held, open_holds, ceiling, seq, posted, used,
  grants, left, source, expires_at =
  struct.unpack('<BI6BBI2I4I6I6I4I4I7I4I4I4I4I7I7I7I4I7I6dI7BI7BI6', packed)
