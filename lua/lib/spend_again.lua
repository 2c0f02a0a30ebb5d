-- A spend whose id is known: the first answer again, or why not.
-- @include keep
if score then
  -- @include detail
  local hold = read_hold(id, tonumber(score))
  if hold.expires_at > now_ms then
    return { 'conflict', 'hold_id', hold.held }
  end
  return { 'settled', 'expired', 0 }
end
-- @include settlement
local known = read_settlement(settled)
if known.name ~= 'committed' then
  return { 'settled', known.name, 0 }
elseif known.spent ~= credits then
  return { 'conflict', 'credits', known.spent }
end
local seq, posted = struct.unpack('<I6d', packed, 72)
return { 'committed', credits, known.returned, posted, seq, known.late, 1 }
