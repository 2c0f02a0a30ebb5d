-- The only place where time changes an account (README, section 3.1).
-- @include account
-- @include credit
local TURN, PERIOD_RESET, ROLLOVER_APPLIED = 100, 7, 3

local function turn(a)
  local period = table.remove(a.coming, 1)
  add_leg(a, TURN, 0, a.used)
  if a.overage > 0 then
    add_leg(a, PERIOD_RESET, FROM_OVERAGE, a.overage)
    a.overage = 0
  end
  local purchased, lapsed = {}, 0
  for _, source in ipairs({ BASE, ROLLOVER, PURCHASED }) do
    for _, grant in ipairs(a.grants) do
      if grant.source == source and source == PURCHASED then
        purchased[#purchased + 1] = grant
      elseif grant.source == source and grant.left > 0 then
        add_leg(a, PERIOD_RESET, source, -grant.left, grant.expires_at)
        lapsed = lapsed + grant.left
      end
    end
  end
  a.grants = purchased
  local carried = math.min(lapsed, math.max(0, a.max_rollover))
  if carried > 0 then
    add_leg(a, ROLLOVER_APPLIED, ROLLOVER, carried, NEVER)
    add_grant(a, ROLLOVER, carried, NEVER)
  end
  a.period_no, a.used, a.warned, a.warn_basis = period.period_no, 0, 0, carried + period.allowance
  a.started_at, a.ends_at = a.ends_at, period.ends_at
  if period.terms then
    set_terms(a, period.terms)
  end
  if period.status > 0 then
    a.status, a.reason = period.status, 0
  end
  if period.allowance > 0 then
    credit(a, PERIOD_RESET, BASE, period.allowance, NEVER)
  end
end

-- Bounded: each step takes away a grant or a coming period.
local function advance(bytes)
  local a = read_account(bytes)
  while true do
    local at, due = now_ms + 1, nil
    if #a.coming > 0 and a.ends_at < at then
      at, due = a.ends_at, 'turn'
    end
    for i, grant in ipairs(a.grants) do
      if grant.expires_at < at then
        at, due = grant.expires_at, i
      end
    end
    if not due then
      return write_account(a)
    elseif due == 'turn' then
      turn(a)
    else
      local grant = table.remove(a.grants, due)
      add_leg(a, PERIOD_RESET, grant.source, -grant.left, grant.expires_at)
    end
  end
end
