-- The arguments of commit, where one may be wrong or the optional ones are given.
-- @include refuse
credits, hold_credits = whole(ARGV[2], -1, 4503599627370496), whole(ARGV[3], 0, 4503599627370496)
final, part = whole(ARGV[4] or 1, 0, 1), whole(ARGV[5] or 0, 0, 1000000000)
reference, sends = ARGV[6] or '', ARGV[7] or ''
local refusal = refuse_id('hold_id', id)
  or refuse('credits', credits, '-1 to 4503599627370496')
  or refuse('hold_credits', hold_credits, '0 to 4503599627370496')
  or refuse('final', final, '0 or 1')
  or refuse('credits', final == 1 or credits >= 0, '0 to 4503599627370496 if not final')
  or refuse('part', part and (final == 1 or part > 0), '1, 2, ... if not final')
  or refuse_texts(reference, '', sends)
if refusal then
  return refusal
end
