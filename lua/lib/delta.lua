-- A delta of the journal (README, section 6) and its legs.
local DELTA = '<BBI4I6ddI6I4B' -- kind, flags, epoch, seq, posted, held, at_ms, part, number of legs
local LEG = '<BBdI4I4I6' -- entry, source, amount, period_no, config_version, expires_at of the grant
local ORGANIZATION_AT = 14 -- behind 'gate:{tag}:a:'; all tags have three letters
