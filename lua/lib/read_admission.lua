-- What a reserve needs of the account, into the locals of lib/admission.lua.
layout, next_change, admits, limits, max_attachment, max_open_holds, next_expiry, due, rate_second, burst, warn_next,
  epoch, period_no, config_version, generation, backlog_second, seen_us, held, open_holds, ceiling =
  struct.unpack('<BI6BBI2I4I6I6I4I4I7I4I4I4I4I7I7I7I4I7', packed)
