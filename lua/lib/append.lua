-- Appends one delta with the legs gathered so far; answers the account with its new seq, and the
-- entry's id. It is the first write of a verb: where a foreign value stands under the key it fails
-- and nothing has changed.
-- @include delta
local function append(bytes, kind, flags, id, part, more)
  local held = struct.unpack('<I7', bytes, 54)
  local seq, posted = struct.unpack('<I6d', bytes, 72)
  local epoch = struct.unpack('<I4', bytes, 100)
  local delta = struct.pack(DELTA, kind, flags, epoch, seq + 1, posted, held, now_ms, part, leg_count) .. legs
  local organization_id = string.sub(KEYS[1], ORGANIZATION_AT)
  local entry = redis.call('XADD', KEYS[2], '*', 'o', organization_id, 'i', id, 'd', delta, 'm', more)
  return string.sub(bytes, 1, 71) .. struct.pack('<I6', seq + 1) .. string.sub(bytes, 78), entry
end
