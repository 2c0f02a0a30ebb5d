-- A part: the hold stays open with the rest.
-- @include detail
redis.call('HLEN', KEYS[4]) -- a foreign value under the key fails here, before the first write
redis.call('XLEN', KEYS[2])
hold.held, hold.part, hold.part_credits = math.max(0, hold.held - amount), part, amount
write_hold(id, hold)
