-- One node's last second of one source: ARGV = source, first instant, last, events, then its gaps (newest last).
-- What came before the first instant may have been heard by another node: that gap is reckoned here.
local key, first, last = 'ob:feed:' .. ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local was = tonumber(redis.call('HGET', key, 'last') or '')
local gaps = 'ob:gaps:' .. ARGV[1]
if was and first > was then redis.call('LPUSH', gaps, string.format('%.3f', first - was)) end
for i = 5, #ARGV do redis.call('LPUSH', gaps, ARGV[i]) end
redis.call('LTRIM', gaps, 0, 49)
if not was or last > was then redis.call('HSET', key, 'last', ARGV[3]) end
return redis.call('HINCRBY', key, 'events', ARGV[4])
