-- Writes the `record` of a settled id, before all else that is written: where a foreign value stands
-- under its key it fails and nothing has changed.
if generation < math.floor(now_ms / 600000) then
  -- @include enter_generation
end
redis.call('HSET', KEYS[5 + generation % 2], id, record)
