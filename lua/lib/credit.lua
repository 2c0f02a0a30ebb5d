-- Credits that come in, and terms.
local DAY_MS = 86400000

-- Puts a grant among the others; equal kind and equal day of expiry merge, the later instant wins.
local function add_grant(a, source, credits, expires_at)
  for _, grant in ipairs(a.grants) do
    local same_day = math.floor(grant.expires_at / DAY_MS) == math.floor(expires_at / DAY_MS)
    if grant.source == source and same_day then
      grant.left = grant.left + credits
      grant.expires_at = math.max(grant.expires_at, expires_at)
      return
    end
  end
  a.grants[#a.grants + 1] = { source = source, expires_at = expires_at, left = credits }
end

-- Debt is paid first; what remains is a grant.
local function credit(a, entry, source, credits, expires_at)
  local paid = math.min(a.debt, credits)
  if paid > 0 then
    a.debt = a.debt - paid
    add_leg(a, entry, FROM_DEBT, paid)
  end
  if credits > paid then
    add_leg(a, entry, source, credits - paid, expires_at)
    add_grant(a, source, credits - paid, expires_at)
  end
end

local function set_terms(a, terms)
  for name, value in pairs(terms) do
    a[name] = value
  end
  if a.rate_minute == 0 then
    a.backlog_minute = 0
  end
  if a.rate_hour == 0 then
    a.backlog_hour = 0
  end
end
