-- A release whose id is no open hold: the first answer again, or how it was settled; nothing if it
-- is unknown.
-- @include refuse
local refusal = refuse_id('hold_id', id) -- that of an open hold was checked when it was reserved
if refusal then
  return refusal
end
-- @include settled
if settled then
  -- @include settlement
  -- @include keep
  local known = read_settlement(settled)
  if known.name == 'committed' then
    return { 'settled', 'committed', known.spent }
  elseif known.how == 4 then
    return { 'not_found', 1 }
  end
  return { 'released', known.returned, known.name, 1 }
end
