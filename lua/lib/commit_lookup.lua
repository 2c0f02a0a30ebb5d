-- Anything but a plain open hold settled as a whole: reads the hold's detail or what is remembered
-- of the id, and answers where it was asked before. Sets `hold`, or `late` and `flags`.
-- @include settlement
-- @include detail
local known
if score then
  hold = read_hold(id, tonumber(score))
  reference = reference ~= '' and reference or hold.reference
else
  -- @include settled
  -- @include refuse
  local refusal = refuse_id('hold_id', id) -- that of an open hold was checked when it was reserved
  if refusal then
    return refusal
  end
  known = settled and read_settlement(settled)
  late, flags = 1, known and 1 or 3
end

local reply
local latest = hold or known
local function replay(spent, returned_then, late_then)
  return { 'committed', spent, returned_then, posted, seq, late_then, 1 }
end
if known and known.name == 'released' then
  reply = { 'settled', 'released', 0 }
elseif known and known.name == 'committed' and known.open == 0 then
  if part ~= known.part then
    reply = { 'conflict', 'part', known.part }
  elseif credits ~= known.spent and not (credits == -1 and known.whole == 1) then
    reply = { 'conflict', 'credits', known.spent }
  else
    reply = replay(known.spent, known.returned, known.late)
  end
elseif latest and part > 0 then
  if part == latest.part and final == 0 then
    if credits ~= latest.part_credits then
      reply = { 'conflict', 'credits', latest.part_credits }
    else
      reply = replay(credits, 0, known and known.late or 0)
    end
  elseif part ~= latest.part + 1 then
    reply = { 'conflict', 'part', latest.part + 1 }
  end
end
if reply then
  -- @include keep
  if reply[1] == 'committed' then
    reply[5] = struct.unpack('<I6', packed, AT_SEQ) -- time may have added a delta
  end
  return reply
end
