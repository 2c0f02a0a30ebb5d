-- Keeps what time and the sweep have done to the account when the verb itself changes nothing.
if changed then
  if leg_count > 0 or expired_sends ~= '' then
    -- @include append
    -- @include more
    packed = append(packed, expired_sends ~= '' and 10 or 9, 0, '', 0, more_of('', '', '', expired_sends))
  end
  redis.call('SET', KEYS[1], packed)
end
