-- One node's last second of one source: ARGV = source, first instant, last, events, seconds that a day's counts are
-- kept, then its gaps (newest last). What came before the first instant may have been heard by another node: that gap is
-- reckoned here.
local key, first, last = 'ob:feed:' .. ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local was = tonumber(redis.call('HGET', key, 'last') or '')
local gaps, longest, since = 'ob:gaps:' .. ARGV[1], 0, first
if was and first > was then
  redis.call('LPUSH', gaps, string.format('%.3f', first - was))
  longest, since = first - was, was
end
for i = 6, #ARGV do
  redis.call('LPUSH', gaps, ARGV[i])
  if tonumber(ARGV[i]) > longest then longest, since = tonumber(ARGV[i]), first end
end
redis.call('LTRIM', gaps, 0, 49)
if not was or last > was then redis.call('HSET', key, 'last', ARGV[3]) end
-- By the quarter of an hour, so that a day of any zone can be added up.
local day = 'ob:feedday:' .. ARGV[1] .. ':' .. math.floor(last / 86400)
local quarter = string.format('%d', math.floor(last / 900) * 900)
redis.call('HINCRBY', day, quarter .. ':events', ARGV[4])
if longest > tonumber(string.match(redis.call('HGET', day, quarter .. ':gap') or '0', '^%S+')) then
  redis.call('HSET', day, quarter .. ':gap', string.format('%.3f %.3f', longest, since))
end
redis.call('EXPIRE', day, ARGV[5])
return redis.call('HINCRBY', key, 'events', ARGV[4])
