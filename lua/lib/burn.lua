-- Settles `amount` credits on the whole account: from the grants in their order, then overage up to
-- its limit, then debt; and what follows of it: warnings, and frozen where the debt is too deep.
-- Sets `frozen`.
-- @include account
local EMAIL_SENT, WARNING, REASON_DEBT = 2, 101, 1
local frozen = false

local function burn(bytes, amount)
  local a, owed = read_account(bytes), amount
  for _, grant in ipairs(a.grants) do
    local taken = math.min(grant.left, owed)
    if taken > 0 then
      grant.left, owed = grant.left - taken, owed - taken
      add_leg(a, EMAIL_SENT, grant.source, -taken, grant.expires_at)
    end
  end
  local overage = math.min(owed, math.max(0, a.overage_limit - a.overage))
  if overage > 0 then
    a.overage = a.overage + overage
    add_leg(a, EMAIL_SENT, FROM_OVERAGE, -overage)
  end
  if owed > overage then
    a.debt = a.debt + owed - overage
    add_leg(a, EMAIL_SENT, FROM_DEBT, overage - owed)
  end
  a.used = a.used + amount
  while a.used >= a.warn_next do
    a.warned = a.warned + 1
    add_leg(a, WARNING, 0, a.warn_at[a.warned])
    local percent = a.warn_at[a.warned + 1]
    a.warn_next = percent and math.ceil(a.warn_basis * percent / 100) or NO_WARNING
  end
  if amount > 0 and a.debt > a.max_debt and a.status ~= FROZEN then
    a.status, a.reason, frozen = FROZEN, REASON_DEBT, true
  end
  return write_account(a)
end
