-- Why the account admits nothing, as an answer.
-- @include account
local STATUS_NAMES = { 'active', 'trialing', 'past_due', 'paused', 'cancelled', 'frozen' }
local REASON_NAMES = { 'debt', 'repair' }

local function inactive_answer(bytes)
  local a = read_account(bytes)
  if a.status == FROZEN then
    return { 'inactive', 'frozen', REASON_NAMES[a.reason] or '' }
  elseif a.status == PAST_DUE and now_ms >= a.grace_until then
    return { 'inactive', 'past_due', 'grace_ended' }
  elseif a.status == PAUSED or a.status == CANCELLED then
    return { 'inactive', STATUS_NAMES[a.status], '' }
  end
  return { 'inactive', 'period_unknown', '' }
end
