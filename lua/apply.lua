#!lua flags=allow-oom
--- apply: one operation: credits given or taken back, status, terms, the periods to come. Once per operation_id: the
--- mark stays until the operation is booked.
---
--- KEYS[1] account       string
--- KEYS[2] journal       stream  one delta, unless stale or applied before
--- KEYS[3] operations    hash    the mark
---
--- ARGV[1] operation_id  str
--- ARGV[2] period_no     int   the period it is meant for; 0: any
--- ARGV[3] status        int   1 active, 2 trialing, 3 past_due, 4 paused, 5 cancelled, 6 frozen; 0: as it is
--- ARGV[4] status_reason int   of frozen: 1 debt, 2 repair; else 0
--- ARGV[5] grace_until   int   ms since 1970; -1: as it is
--- ARGV[6] ends_at       int   end of the running period, ms since 1970; 2^48 - 1: none; -1: as it is
--- ARGV[7] terms         str   packed as TERMS in lib/account.lua; empty: as they are
--- ARGV[8] coming        str   a count and COMING for each, lib/account.lua; empty: as they are
--- ARGV[9] reference     str   at most 255 bytes
--- ARGV[10] reason       str   at most 255 bytes
--- ARGV[11] changes      list? five each: entry (code), source (1 rollover, 2 base, 3 purchased; 0, only to take: any,
---                       in burn order), credits (+ gives, - takes), expires_at (ms; 0: none), rest (what cannot be
---                       taken: 1 becomes debt, 0 is let go)
---
--- -> applied     posted:int seq:int taken:int replayed:int
--- -> stale       period_no:int
--- -> not_loaded

-- @include refuse
local id, reference, reason = ARGV[1], ARGV[9] or '', ARGV[10] or ''
local period_no, status, status_reason = whole(ARGV[2], 0, 4294967295), whole(ARGV[3], 0, 6), whole(ARGV[4], 0, 2)
local grace_until, ends_at = whole(ARGV[5], -1, 281474976710655), whole(ARGV[6], -1, 281474976710655)
local refusal = refuse_id('operation_id', id)
  or refuse('period_no', period_no, '0 to 4294967295')
  or refuse('status', status, '0 to 6')
  or refuse('status_reason', status_reason, '0 to 2')
  or refuse('grace_until', grace_until, '-1 to 281474976710655')
  or refuse('ends_at', ends_at, '-1 to 281474976710655')
  or refuse('changes', #ARGV >= 10 and #ARGV % 5 == 0, 'five arguments each')
  or refuse_texts(reference, reason, '')
if refusal then
  return refusal
end

local changes = {}
for i = 11, #ARGV, 5 do
  local change = {
    entry = whole(ARGV[i], 1, 7),
    source = whole(ARGV[i + 1], 0, 3),
    credits = whole(ARGV[i + 2], -4503599627370496, 4503599627370496),
    expires_at = whole(ARGV[i + 3], 0, 281474976710655),
    rest = whole(ARGV[i + 4], 0, 1),
  }
  refusal = refuse('entry', change.entry, '1 to 7')
    or refuse('source', change.source and (change.source > 0 or (change.credits or 0) < 0), '1 to 3; 0 only to take')
    or refuse('credits', change.credits and change.credits ~= 0, '-4503599627370496 to 4503599627370496, not 0')
    or refuse('expires_at', change.expires_at, '0 to 281474976710655')
    or refuse('rest', change.rest, '0 or 1')
  if refusal then
    return refusal
  end
  changes[#changes + 1] = change
end

-- @include open
-- @include account
-- @include credit
-- @include append
-- @include more

local function take_back(a, change)
  local owed, taken, kept = -change.credits, 0, {}
  sort_grants(a) -- an earlier change may have given
  for _, grant in ipairs(a.grants) do
    local part = math.min(owed, grant.left)
    if part > 0 and (change.source == 0 or grant.source == change.source) then
      grant.left, owed, taken = grant.left - part, owed - part, taken + part
      add_leg(a, change.entry, grant.source, -part, grant.expires_at)
      if grant.source ~= PURCHASED then
        a.warn_basis = math.max(0, a.warn_basis - part)
      end
    end
    if grant.left > 0 then
      kept[#kept + 1] = grant
    end
  end
  a.grants = kept
  if owed > 0 and change.rest == 1 then
    a.debt, taken = a.debt + owed, taken + owed
    add_leg(a, change.entry, FROM_DEBT, -owed)
  end
  return taken
end

local applied = redis.call('HGET', KEYS[3], id)
local a = read_account(packed)
if applied then
  -- @include keep
  local seq, taken = struct.unpack('<I6I7', applied)
  return { 'applied', a.posted, seq, taken, 1 }
elseif period_no > 0 and period_no ~= a.period_no then
  -- @include keep
  return { 'stale', a.period_no }
end

local terms = ARGV[7] ~= '' and read_terms(ARGV[7], 1)
local coming = ARGV[8] ~= '' and read_coming(ARGV[8], 1)
local taken, total, number = 0, 0, a.period_no
for _, period in ipairs(coming or {}) do
  if period.period_no <= number then
    return redis.error_reply('GATE_BADARG coming periods with numbers above that of the running one, rising')
  end
  number = period.period_no
end
for _, change in ipairs(changes) do
  if change.credits < 0 then
    taken = taken + take_back(a, change)
  else
    credit(a, change.entry, change.source, change.credits, change.expires_at > 0 and change.expires_at or NEVER)
    if change.source ~= PURCHASED then
      a.warn_basis = a.warn_basis + change.credits
    end
  end
end
for _, grant in ipairs(a.grants) do
  total = total + grant.left
end
if leg_count > 255 then
  return redis.error_reply('GATE_BADARG changes at most 255 movements in one operation; make two of it')
elseif #a.grants > 16 then
  return redis.error_reply('GATE_BADARG changes at most 16 grants in an account; merge by equal days of expiry')
elseif total > CREDITS_MAX or a.debt > CREDITS_MAX then
  return redis.error_reply('GATE_BADARG credits at most 4503599627370496 in an account')
end
if terms then
  set_terms(a, terms)
end
if status > 0 then
  a.status, a.reason = status, status_reason
end
if grace_until >= 0 then
  a.grace_until = grace_until
end
if ends_at >= 0 then
  a.ends_at = ends_at
end
a.coming = coming or a.coming

packed = append(write_account(a), 6, 0, id, 0, more_of(reference, reason, '', ''))
local seq = struct.unpack('<I6', packed, AT_SEQ)
redis.call('HSET', KEYS[3], id, struct.pack('<I6I7', seq, taken))
redis.call('SET', KEYS[1], packed)
return { 'applied', a.posted, seq, taken, 0 }
