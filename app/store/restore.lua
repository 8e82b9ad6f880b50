-- An order takes its place with its ledger, its codes and its digests, all or nothing. `commit` is all of commit.lua.
-- Replies 0 where it has changed since it was looked at, -1 where it may not come back.
-- ARGV: the words and the order as commit.lua takes them, then how many ledger lines, these, how many codes, these, and
-- digests with their counts in turn.
local words = cmsgpack.unpack(ARGV[1])
local key = words[1]
if (redis.call('HGET', 'ob:o:' .. key, 't') or '') ~= words[3] then return 0 end
if commit({ARGV[1], ARGV[2], ''}) == 0 then return -1 end

redis.call('DEL', 'ob:l:' .. key, 'ob:d:' .. key)
local codes = 4 + tonumber(ARGV[3])
local digests = codes + tonumber(ARGV[codes]) + 1
for i = 4, codes - 1 do redis.call('RPUSH', 'ob:l:' .. key, ARGV[i]) end
for i = codes + 1, digests - 1 do
  redis.call('SADD', 'ob:code:' .. ARGV[i], key)
  redis.call('SADD', 'ob:codes:' .. key, ARGV[i])
end
for i = digests, #ARGV, 2 do redis.call('HSET', 'ob:d:' .. key, ARGV[i], ARGV[i + 1]) end
return 1
