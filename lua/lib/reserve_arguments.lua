-- The arguments of reserve, where one may be wrong or the optional ones are given.
-- @include refuse
credits, ttl_ms = whole(ARGV[2], 1, 4503599627370496), whole(ARGV[3], 1000, 604800000)
min_credits, cost = whole(ARGV[4] or 0, 0, credits or 0), whole(ARGV[5] or -1, -1, 1000000000)
reference, sends = ARGV[6] or '', ARGV[7] or ''
local refusal = refuse_id('hold_id', id)
  or refuse('credits', credits, '1 to 4503599627370496')
  or refuse('ttl_ms', ttl_ms, '1000 to 604800000')
  or refuse('min_credits', min_credits, '0 to credits')
  or refuse('cost', cost, '-1 to 1000000000')
  or refuse('cost', cost >= 0 or credits <= 1000000000, '0 to 1000000000 must be given with more credits than that')
  or refuse_texts(reference, '', sends)
if refusal then
  return refusal
end
