-- Puts the organization into the partition's index by its earliest expiry, or takes it out; its
-- type was seen before.
local next_expiry = struct.unpack('<I6', packed, AT_NEXT_EXPIRY)
packed = string.sub(packed, 1, AT_DUE - 1) .. struct.pack('<I6', next_expiry) .. string.sub(packed, AT_RATE)
if next_expiry < NEVER then
  redis.call('ZADD', KEYS[7], next_expiry, string.sub(KEYS[1], 14))
else
  redis.call('ZREM', KEYS[7], string.sub(KEYS[1], 14))
end
