-- The clock went back: elapsed time counts from now on.
seen_us = now_us
packed = string.sub(packed, 1, AT_SEEN - 1) .. struct.pack('<I7', seen_us) .. string.sub(packed, AT_HELD)
changed = true
