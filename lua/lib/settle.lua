-- Takes `amount` credits from the account: from the first grant where that is enough and nothing
-- else follows of it, else on the whole account (lib/burn.lua). Sets the balances, `packed` and
-- `delta`. `before` says where what changed begins, `changes` is that, up to the open holds.
seq = seq + 1
local first_is_enough = grants > 0 and amount > 0 and amount < left and amount <= ceiling
if first_is_enough and used + amount < warn_next and leg_count == 0 then
  posted, used, ceiling = posted - amount, used + amount, ceiling - amount
  packed = string.sub(packed, 1, before)
    .. changes
    .. struct.pack('<I7I6dI7BI7', ceiling, seq, posted, used, grants, left - amount)
    .. string.sub(packed, 120)
  delta = struct.pack('<BBI4I6ddI6I4BBBdI4I4I6', kind, flags, epoch, seq, posted, held, now_ms, part, 1,
    2, source, -amount, period_no, config_version, expires_at)
else
  packed = string.sub(packed, 1, before) .. changes .. struct.pack('<I7I6', ceiling, seq) .. string.sub(packed, AT_POSTED)
  -- @include burn
  packed = burn(packed, amount)
  posted = struct.unpack('<d', packed, AT_POSTED)
  flags = frozen and flags + 8 or flags
  delta = struct.pack(DELTA, kind, flags, epoch, seq, posted, held, now_ms, part, leg_count) .. legs
end
