#!lua flags=allow-oom
--- trim: takes out of a partition's journal what stands before an entry, if that entry is there and says what it said.
--- The entry stays. Only whole nodes of the stream go: to take entries out of the midst of one would free no memory.
---
--- KEYS[1] journal       stream
---
--- ARGV[1] entry_id      str   as the stream gave it
--- ARGV[2] digest        str   SHA-1, 40 hexadecimal digits, over the entry's names and values in order, each behind its
---                             length as <I4
--- ARGV[3] limit         int   1 or more: at most so many entries go; a node that has more of them stays
---
--- -> trimmed     entries:int
--- -> differs
---                 the entry is not there, or says something else

local entry = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
local said = {}
for i, text in ipairs(entry and entry[2] or {}) do
  said[i] = struct.pack('<I4', #text) .. text
end
if not entry or redis.sha1hex(table.concat(said)) ~= ARGV[2] then
  return { 'differs' }
end
return { 'trimmed', redis.call('XTRIM', KEYS[1], 'MINID', '~', ARGV[1], 'LIMIT', ARGV[3]) }
