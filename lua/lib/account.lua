-- The whole account by name, for what is rare: time, sweeps, operations, warnings, debt.
-- `read_account` makes a table of the packed value, `write_account` packs it again and works out
-- what follows from the rest.
-- @include delta
local HEAD = '<BI6BBI2I4I6I6I4I4I7I4I4I4I4I7I7I7I4I7I6dI7B' -- the places of lib/fields.lua
local REST = '<BBI2I7I7I7I6I6I6I7I7dB' -- status, reason, warned (percent), overage, overage_limit, debt, started_at, ends_at,
-- grace_until, warn_basis, max_debt, max_rollover (-1: lapses), number of thresholds; an I2 for
-- each, percent, ascending
local COMING = '<I4I6I7BB' -- period_no, ends_at, allowance, status (0: as it is), brings terms; then the terms
local TERMS = '<I4I7I4I4I4I4BI4I2I7dB' -- config_version, overage_limit, rate_second, burst, rate_minute, rate_hour,
-- strict, max_open_holds, max_attachment_size_mb, max_debt, max_rollover, number of thresholds; an
-- I2 for each
local LONGER = '<I4I7I4I7' -- rate_minute, backlog_minute, rate_hour, backlog_hour: the last 22 bytes, if limits >= 2
local ACTIVE, TRIALING, PAST_DUE, PAUSED, CANCELLED, FROZEN = 1, 2, 3, 4, 5, 6
local ROLLOVER, BASE, PURCHASED, FROM_OVERAGE, FROM_DEBT = 1, 2, 3, 4, 5

local function read_thresholds(bytes, position, count)
  local thresholds = {}
  for i = 1, count do
    thresholds[i], position = struct.unpack('<I2', bytes, position)
  end
  return thresholds, position
end

local function write_thresholds(thresholds)
  local bytes = {}
  for i, percent in ipairs(thresholds) do
    bytes[i] = struct.pack('<I2', percent)
  end
  return table.concat(bytes)
end

local function read_terms(bytes, position)
  local t, count = {}, nil
  t.config_version, t.overage_limit, t.rate_second, t.burst, t.rate_minute, t.rate_hour, t.strict,
    t.max_open_holds, t.max_attachment, t.max_debt, t.max_rollover, count, position =
    struct.unpack(TERMS, bytes, position)
  t.warn_at, position = read_thresholds(bytes, position, count)
  return t, position
end

local function write_terms(t)
  return struct.pack(
    TERMS,
    t.config_version,
    t.overage_limit,
    t.rate_second,
    t.burst,
    t.rate_minute,
    t.rate_hour,
    t.strict,
    t.max_open_holds,
    t.max_attachment,
    t.max_debt,
    t.max_rollover,
    #t.warn_at
  ) .. write_thresholds(t.warn_at)
end

-- Coming periods: a count, then each.
local function read_coming(bytes, position)
  local coming, count = {}, nil
  count, position = struct.unpack('<B', bytes, position)
  for i = 1, count do
    local period, brings_terms = {}, nil
    period.period_no, period.ends_at, period.allowance, period.status, brings_terms, position =
      struct.unpack(COMING, bytes, position)
    if brings_terms == 1 then
      period.terms, position = read_terms(bytes, position)
    end
    coming[i] = period
  end
  return coming
end

local function write_coming(coming)
  local bytes = { struct.pack('<B', #coming) }
  for _, period in ipairs(coming) do
    bytes[#bytes + 1] =
      struct.pack(COMING, period.period_no, period.ends_at, period.allowance, period.status, period.terms and 1 or 0)
    bytes[#bytes + 1] = period.terms and write_terms(period.terms) or ''
  end
  return table.concat(bytes)
end

local function read_account(bytes)
  local a, grants, thresholds, position = { grants = {} }, nil, nil, nil
  a.layout, a.next_change, a.admits, a.limits, a.max_attachment, a.max_open_holds, a.next_expiry, a.due,
    a.rate_second, a.burst, a.warn_next, a.epoch, a.period_no, a.config_version, a.generation,
    a.backlog_second, a.seen_us, a.held, a.open_holds, a.ceiling, a.seq, a.posted, a.used, grants, position
    =
    struct.unpack(HEAD, bytes)
  for i = 1, grants do
    local grant = {}
    grant.left, grant.source, grant.expires_at, position = struct.unpack(GRANT, bytes, position)
    a.grants[i] = grant
  end
  a.status, a.reason, a.warned, a.overage, a.overage_limit, a.debt, a.started_at, a.ends_at,
    a.grace_until, a.warn_basis, a.max_debt, a.max_rollover, thresholds, position =
    struct.unpack(REST, bytes, position)
  a.warn_at, position = read_thresholds(bytes, position, thresholds)
  a.coming = read_coming(bytes, position)
  a.strict = a.limits % 2
  a.rate_minute, a.backlog_minute, a.rate_hour, a.backlog_hour = 0, 0, 0, 0
  if a.limits >= 2 then
    a.rate_minute, a.backlog_minute, a.rate_hour, a.backlog_hour = struct.unpack(LONGER, string.sub(bytes, -22))
  end
  return a
end

-- What burns first stands first: by expiry, then rollover, base, purchased. Rollover and base
-- without an expiry of their own lapse when the period ends.
local function sort_grants(a)
  local function lapses_at(grant)
    return grant.expires_at == NEVER and grant.source ~= PURCHASED and a.ends_at or grant.expires_at
  end
  table.sort(a.grants, function(one, other)
    local one_at, other_at = lapses_at(one), lapses_at(other)
    if one_at ~= other_at then
      return one_at < other_at
    elseif one.source ~= other.source then
      return one.source < other.source
    end
    return one.expires_at < other.expires_at
  end)
end

-- The next threshold, in percent, above the last one that was warned of in this period.
local function next_warning(a)
  for _, percent in ipairs(a.warn_basis > 0 and a.warn_at or {}) do
    if percent > a.warned then
      return percent
    end
  end
end

-- ceil(basis * percent / 100), exact for any basis.
local function threshold(basis, percent)
  return math.floor(basis / 100) * percent + math.ceil(basis % 100 * percent / 100)
end

-- What the hot path reads and follows from the rest.
local function derive(a)
  local kept, left = {}, 0
  a.next_change = NEVER
  for _, grant in ipairs(a.grants) do
    if grant.left > 0 then
      kept[#kept + 1] = grant
      left = left + grant.left
      a.next_change = math.min(a.next_change, grant.expires_at)
    end
  end
  a.grants = kept
  sort_grants(a)
  a.posted = left - a.overage - a.debt
  a.ceiling = a.debt > 0 and 0 or left + math.max(0, a.overage_limit - a.overage)

  local known, graced = now_ms < a.ends_at, now_ms < a.grace_until
  if known or #a.coming > 0 then
    a.next_change = math.min(a.next_change, a.ends_at)
  end
  if a.status == PAST_DUE and graced then
    a.next_change = math.min(a.next_change, a.grace_until)
  end
  local s = a.status
  local admits = s == ACTIVE or s == TRIALING or s == CANCELLED or (s == PAST_DUE and graced)
  a.admits = known and admits and 1 or 0

  local percent = next_warning(a)
  a.warn_next = percent and threshold(a.warn_basis, percent) or NO_WARNING
  a.limits = a.strict + (a.rate_minute + a.rate_hour > 0 and 2 or 0)
end

local function write_account(a)
  derive(a)
  local bytes = {
    struct.pack(
      HEAD,
      a.layout,
      a.next_change,
      a.admits,
      a.limits,
      a.max_attachment,
      a.max_open_holds,
      a.next_expiry,
      a.due,
      a.rate_second,
      a.burst,
      a.warn_next,
      a.epoch,
      a.period_no,
      a.config_version,
      a.generation,
      a.backlog_second,
      a.seen_us,
      a.held,
      a.open_holds,
      a.ceiling,
      a.seq,
      a.posted,
      a.used,
      #a.grants
    ),
  }
  for _, grant in ipairs(a.grants) do
    bytes[#bytes + 1] = struct.pack(GRANT, grant.left, grant.source, grant.expires_at)
  end
  bytes[#bytes + 1] = struct.pack(
    REST,
    a.status,
    a.reason,
    a.warned,
    a.overage,
    a.overage_limit,
    a.debt,
    a.started_at,
    a.ends_at,
    a.grace_until,
    a.warn_basis,
    a.max_debt,
    a.max_rollover,
    #a.warn_at
  )
  bytes[#bytes + 1] = write_thresholds(a.warn_at)
  bytes[#bytes + 1] = write_coming(a.coming)
  if a.limits >= 2 then
    bytes[#bytes + 1] = struct.pack(LONGER, a.rate_minute, a.backlog_minute, a.rate_hour, a.backlog_hour)
  end
  return table.concat(bytes)
end

-- Notes a leg of the delta that this call will append.
local function add_leg(a, entry, source, amount, expires_at)
  legs = legs .. struct.pack(LEG, entry, source, amount, a.period_no, a.config_version, expires_at or 0)
  leg_count = leg_count + 1
end
