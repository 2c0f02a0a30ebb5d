-- Settled ids, remembered for ten to twenty minutes: two hashes that change over every ten minutes.
-- This looks up `id` and sets `settled` to what is remembered of it, packed, or false.
--
-- Generation g is written to KEYS[5 + g % 2]; the field '' of that hash says which generation it
-- holds. The account's `generation` is the newest one written: a hash is read only when it can hold
-- something, and the first write of a generation clears what the one before the last left behind
-- (lib/changeover.lua). If the clock went back, the newest generation goes on.
local now_generation, settled = math.floor(now_ms / 600000), false
if generation >= now_generation then
  -- The newer first: an expired id that was committed late has a record in both.
  settled = redis.call('HGET', KEYS[5 + generation % 2], id) or redis.call('HGET', KEYS[6 - generation % 2], id)
elseif generation == now_generation - 1 then
  settled = redis.call('HGET', KEYS[5 + generation % 2], id)
end
