-- Orders as an export takes them, each whole: at most ARGV[2] that came in behind number ARGV[1].
-- Replies {number, order, ledger, digests and counts in turn, codes}, …
local found = {}
local keys = redis.call('ZRANGEBYSCORE', 'ob:all', '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
for i = 1, #keys, 2 do
  local key = keys[i]
  found[#found + 1] = {
    keys[i + 1], redis.call('HGET', 'ob:o:' .. key, 'b'),
    redis.call('LRANGE', 'ob:l:' .. key, 0, -1), redis.call('HGETALL', 'ob:d:' .. key),
    redis.call('SMEMBERS', 'ob:codes:' .. key),
  }
end
return found
