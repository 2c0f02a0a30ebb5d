-- The arguments of spend, where one may be wrong or the optional ones are given.
-- @include refuse
credits, cost = whole(ARGV[2], 0, 4503599627370496), whole(ARGV[3] or -1, -1, 1000000000)
reference, sends = ARGV[4] or '', ARGV[5] or ''
local refusal = refuse_id('spend_id', id)
  or refuse('credits', credits, '0 to 4503599627370496')
  or refuse('cost', cost, '-1 to 1000000000')
  or refuse('cost', cost >= 0 or credits <= 1000000000, '0 to 1000000000 must be given with more credits than that')
  or refuse_texts(reference, '', sends)
if refusal then
  return refusal
end
