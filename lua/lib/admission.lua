-- Reads what admission needs of the account. Runs on every reserve and spend, hence plain locals.
local admits, limits, max_attachment, max_open_holds, rate_second, burst, backlog_second, seen_us, due, next_expiry,
  generation, held, open_holds, ceiling = struct.unpack(ADMISSION, packed, AT_ADMISSION)
