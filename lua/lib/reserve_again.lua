-- A reserve whose id is settled.
-- @include settlement
-- @include keep
local known = read_settlement(settled)
return { 'settled', known.name, known.spent }
