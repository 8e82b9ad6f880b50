-- Takes a finished order's sample in, in place of one of its own, and replies all that are kept: the newest ARGV[5].
-- ARGV: store|kind, the order's mark, when it ended, the sample, most.
local order, values = 'ob:paced:' .. ARGV[1], 'ob:samples:' .. ARGV[1]
redis.call('ZADD', order, ARGV[3], ARGV[2])
redis.call('HSET', values, ARGV[2], ARGV[4])
for _, old in ipairs(redis.call('ZRANGE', order, 0, -1 - tonumber(ARGV[5]))) do
  redis.call('ZREM', order, old)
  redis.call('HDEL', values, old)
end
return redis.call('HVALS', values)
