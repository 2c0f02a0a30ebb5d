-- The hold is the first of its organization to expire, or the first that the partition's index hears of.
next_expiry = math.min(next_expiry, expires_at)
if expires_at < due then
  due = expires_at
  redis.call('ZADD', KEYS[7], due, string.sub(KEYS[1], 14))
end
packed = string.sub(packed, 1, AT_NEXT_EXPIRY - 1)
  .. struct.pack('<I6I6', next_expiry, due)
  .. string.sub(packed, AT_RATE)
