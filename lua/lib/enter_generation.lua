-- The first settled id of a generation.
-- @include changeover
generation = math.floor(now_ms / 600000)
change_over(generation)
packed = string.sub(packed, 1, AT_GENERATION - 1) .. struct.pack('<I4', generation) .. string.sub(packed, AT_BACKLOG)
