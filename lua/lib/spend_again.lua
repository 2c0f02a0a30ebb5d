-- A spend whose id may be known: then the first answer again, or why not.
local known = generation >= now_generation and redis.call('HGET', KEYS[5 + generation % 2], id) or settled
if score or known then
  -- @include detail
  -- @include settlement
  -- @include keep
  local hold = score and read_hold(id, tonumber(score))
  if hold and hold.expires_at > now_ms then
    return { 'conflict', 'hold_id', hold.held }
  elseif hold then
    return { 'settled', 'expired', 0 }
  end
  known = read_settlement(known)
  if known.name ~= 'committed' then
    return { 'settled', known.name, 0 }
  elseif known.spent ~= credits then
    return { 'conflict', 'credits', known.spent }
  end
  seq, posted = struct.unpack('<I6d', packed, AT_SEQ)
  return { 'committed', credits, known.returned, posted, seq, known.late, 1 }
end
