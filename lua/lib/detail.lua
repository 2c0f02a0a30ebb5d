-- Holds with all that may stand in their detail.
local HOLD_DETAIL = '<BI7I7I7I7I4I7' -- carried sends, held, granted, asked, min_credits, part, its credits; reference

-- The hold `id` whose record is `score`. Without a detail, what is held, was granted and was asked
-- are one number.
local function read_hold(id, score)
  local low = score % 16384
  local hold = { expires_at = (score - low) / 16384 + HOLD_ERA, min_credits = 0, part = 0, part_credits = 0, sends = 0 }
  hold.reference = ''
  if low % 2 == 0 then
    hold.held, hold.granted, hold.asked = low / 2, low / 2, low / 2
    return hold
  end
  hold.detailed = true
  local bytes = redis.call('HGET', KEYS[4], id)
  if not bytes then -- only where somebody edited Redis; `audit` counts anew
    hold.held, hold.granted, hold.asked = 0, 0, 0
    return hold
  end
  local position
  hold.sends, hold.held, hold.granted, hold.asked, hold.min_credits, hold.part, hold.part_credits, position =
    struct.unpack(HOLD_DETAIL, bytes)
  hold.reference = string.sub(bytes, position)
  return hold
end

-- The type of both keys was seen by a read before.
local function write_hold(id, hold)
  local plain = hold.held <= HOLD_CREDITS_MAX
    and hold.held == hold.asked
    and hold.granted == hold.asked
    and hold.min_credits + hold.part + hold.sends + #hold.reference == 0
  local score = (hold.expires_at - HOLD_ERA) * 16384
  redis.call('ZADD', KEYS[3], plain and score + hold.held * 2 or score + 1, id)
  if plain and hold.detailed then
    redis.call('HDEL', KEYS[4], id)
  elseif not plain then
    redis.call(
      'HSET',
      KEYS[4],
      id,
      struct.pack(
        HOLD_DETAIL,
        hold.sends,
        hold.held,
        hold.granted,
        hold.asked,
        hold.min_credits,
        hold.part,
        hold.part_credits
      ) .. hold.reference
    )
  end
end
