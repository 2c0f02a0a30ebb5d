#!lua flags=allow-oom
--- record: journals sends that cost nothing: skips, denials, dry runs, later bounces. Not idempotent: each send
--- carries its own id.
---
--- KEYS[1] account       string
--- KEYS[2] journal       stream  one delta
---
--- ARGV[1] sends         str   opaque, 1 byte to 1 MiB
---
--- -> recorded    seq:int
--- -> not_loaded

local sends = ARGV[1] or ''
if #sends == 0 or #sends > 1048576 then
  return redis.error_reply('GATE_BADARG sends 1 to 1048576 bytes')
end

-- @include open
-- @include append
-- @include more
packed = append(packed, 5, 0, '', 0, more_of('', '', sends, ''))
redis.call('SET', KEYS[1], packed)
return { 'recorded', (struct.unpack('<I6', packed, AT_SEQ)) }
