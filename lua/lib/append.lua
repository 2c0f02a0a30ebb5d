-- Appends one delta with the legs gathered so far; answers the account with its new seq. It is the
-- first write of a verb: where a foreign value stands under the key it fails and nothing has changed.
-- @include delta
local function append(bytes, kind, flags, id, part, more)
  local held = struct.unpack('<I7', bytes, AT_HELD)
  local seq, posted = struct.unpack('<I6d', bytes, AT_SEQ)
  local epoch = struct.unpack('<I4', bytes, AT_EPOCH)
  local delta = struct.pack(DELTA, kind, flags, epoch, seq + 1, posted, held, now_ms, part, leg_count) .. legs
  local organization_id = string.sub(KEYS[1], ORGANIZATION_AT)
  redis.call('XADD', KEYS[2], '*', 'o', organization_id, 'i', id, 'd', delta, 'm', more)
  return string.sub(bytes, 1, AT_SEQ - 1) .. struct.pack('<I6', seq + 1) .. string.sub(bytes, AT_POSTED)
end
