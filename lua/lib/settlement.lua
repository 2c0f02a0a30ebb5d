-- What the record of a settled id says: flags, spent, returned; the longer form also part. How it
-- was settled: 1 committed, 2 released, 3 expired, 4 released before it was ever reserved.
local SETTLED_NAMES = { 'committed', 'released', 'expired', 'released' }

local function read_settlement(record)
  local flags, spent, returned, part = struct.unpack(#record == 5 and '<BI2I2' or '<BI7I7I4', record)
  local how = flags % 8
  return {
    how = how,
    name = SETTLED_NAMES[how],
    late = math.floor(flags / 8) % 2, -- booked after its hold was gone
    whole = math.floor(flags / 16) % 2, -- spent what was held, no more and no less
    open = math.floor(flags / 32) % 2, -- a late part that was not the last
    spent = how == 1 and spent or 0,
    part_credits = spent, -- what its last part had spent, however the rest was settled
    returned = returned,
    part = #record == 5 and 0 or part,
  }
end
