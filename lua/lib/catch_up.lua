-- Refuses a layout that this release does not know; else brings the account up to now.
if layout ~= LAYOUT then
  return redis.error_reply('GATE_LAYOUT ' .. KEYS[1] .. ' has layout ' .. layout .. ', this script knows ' .. LAYOUT)
end
-- @include advance
packed = advance(packed)
changed = true
