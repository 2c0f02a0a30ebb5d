-- Takes `amount` credits from the account: from the first grant where that is enough and nothing
-- else follows of it, else on the whole account (lib/burn.lua). `front` is the account before
-- AT_BOOKS. Sets the balances, `packed` and `delta`.
seq = seq + 1
local first_is_enough = grants > 0 and amount > 0 and amount < left and amount <= ceiling
if first_is_enough and used + amount < warn_next and leg_count == 0 then
  posted, used, ceiling = posted - amount, used + amount, ceiling - amount
  packed = front
    .. struct.pack(BOOKS_AND_GRANT, generation, held, open_holds, ceiling, seq, posted, used, warn_next,
      epoch, period_no, config_version, grants, source, expires_at, left - amount)
    .. string.sub(packed, AT_GRANTS + GRANT_SIZE)
  delta = struct.pack('<BBI4I6ddI6I4BBBdI4I4I6', kind, flags, epoch, seq, posted, held, now_ms, part, 1,
    2, source, -amount, period_no, config_version, expires_at)
else
  packed = front
    .. struct.pack('<I4I7I4I7I6', generation, held, open_holds, ceiling, seq)
    .. string.sub(packed, 78)
  -- @include burn
  packed = burn(packed, amount)
  posted = struct.unpack('<d', packed, 78)
  flags = frozen and flags + 8 or flags
  delta = struct.pack(DELTA, kind, flags, epoch, seq, posted, held, now_ms, part, leg_count) .. legs
end
