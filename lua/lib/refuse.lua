-- The words for a caller's mistake. A hot verb comes here only when there may be one.
local function refuse(field, fine, allowed)
  if not fine then
    return redis.error_reply('GATE_BADARG ' .. field .. ' ' .. allowed)
  end
end

-- The number that `text` says if it is whole and from `low` to `high`, else nil.
local function whole(text, low, high)
  local number = tonumber(text)
  if number and number >= low and number <= high and number % 1 == 0 then
    return number
  end
end

local function refuse_id(field, id)
  local fine = #id > 0 and #id <= 128 and not string.find(id, '[^a-z%-./0-9:@A-Z_=+]')
  return refuse(field, fine, '1 to 128 of A-Z a-z 0-9 . _ : @ / + = -')
end

local function refuse_texts(reference, reason, sends)
  return refuse('reference', #reference <= 255, 'at most 255 bytes')
    or refuse('reason', #reason <= 255, 'at most 255 bytes')
    or refuse('sends', #sends <= 1048576, 'at most 1048576 bytes')
end
