-- An extend whose id is no open hold.
-- @include refuse
local refusal = refuse_id('hold_id', id) -- that of an open hold was checked when it was reserved
if refusal then
  return refusal
end
-- @include settled
-- @include settlement
-- @include keep
if score then
  return { 'settled', 'expired', 0 }
elseif settled then
  local known = read_settlement(settled)
  return { 'settled', known.name, known.spent }
end
return { 'not_found' }
