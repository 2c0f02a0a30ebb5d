-- A reserve whose id is known: the first answer again, or why not.
-- @include keep
if settled then
  -- @include settlement
  local known = read_settlement(settled)
  return { 'settled', known.name, known.spent }
end
-- @include detail
local hold = read_hold(id, tonumber(score))
if hold.expires_at <= now_ms then
  return { 'settled', 'expired', 0 }
elseif hold.asked ~= credits then
  return { 'conflict', 'credits', hold.asked }
elseif hold.min_credits ~= min_credits then
  return { 'conflict', 'min_credits', hold.min_credits }
end
return { 'reserved', hold.granted, hold.expires_at, math.max(0, ceiling - held), max_attachment, 1 }
