-- A denial by a clock that went back: the account remembers that it did.
packed = string.sub(packed, 1, AT_SEEN - 1) .. struct.pack('<I7', now_us) .. string.sub(packed, AT_HELD)
changed = true
