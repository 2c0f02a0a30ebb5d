-- The field `m` of a delta: empty unless there is something to carry.
local function more_of(reference, reason, sends, expired)
  if #reference + #reason + #sends + #expired == 0 then
    return ''
  end
  return struct.pack('<B', #reference)
    .. reference
    .. struct.pack('<I2', #reason)
    .. reason
    .. struct.pack('<I4', #sends)
    .. sends
    .. struct.pack('<I4', #expired)
    .. expired
end
