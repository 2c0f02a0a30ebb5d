-- A reserve whose id may be that of an open hold: then the first answer again, or why not.
local score = redis.call('ZSCORE', KEYS[3], id)
if score then
  -- @include detail
  -- @include keep
  local hold = read_hold(id, tonumber(score))
  if hold.expires_at <= now_ms then
    return { 'settled', 'expired', 0 }
  elseif hold.asked ~= credits then
    return { 'conflict', 'credits', hold.asked }
  elseif hold.min_credits ~= min_credits then
    return { 'conflict', 'min_credits', hold.min_credits }
  end
  return { 'reserved', hold.granted, hold.expires_at, math.max(0, ceiling - held), max_attachment, 1 }
end
