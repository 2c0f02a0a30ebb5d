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
  local percent = next_warning(a)
  while percent and a.used >= threshold(a.warn_basis, percent) do
    a.warned = percent
    add_leg(a, WARNING, 0, percent)
    percent = next_warning(a)
  end
  if amount > 0 and a.debt > a.max_debt and a.status ~= FROZEN then
    a.status, a.reason, frozen = FROZEN, REASON_DEBT, true
  end
  return write_account(a)
end
