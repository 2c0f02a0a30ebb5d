-- A hold with more than a score can say, or a delta to append.
-- @include detail
redis.call('HLEN', KEYS[4]) -- a foreign value under the key fails here, before the first write
if sends ~= '' then
  -- @include append
  -- @include more
  packed = append(packed, 1, 0, id, 0, more_of(reference, '', sends, expired_sends))
elseif leg_count > 0 or expired_sends ~= '' then
  -- @include append
  -- @include more
  packed = append(packed, expired_sends ~= '' and 10 or 9, 0, '', 0, more_of('', '', '', expired_sends))
end
write_hold(id, {
  expires_at = expires_at,
  held = granted,
  granted = granted,
  asked = credits,
  min_credits = min_credits,
  part = 0,
  part_credits = 0,
  sends = sends == '' and 0 or 1,
  reference = reference,
})
