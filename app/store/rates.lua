-- A source's request slots, one every 1/rate seconds, shared by all nodes. Takes ARGV[5] of them in a row and replies
-- the seconds to wait for the first; where these are more than ARGV[3], takes none. With ARGV[4]: no slot is given for so
-- many seconds from now on.
local key, rate, most, hold = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local count = tonumber(ARGV[5])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local free = math.max(tonumber(redis.call('GET', key) or '0'), now)
local wait = free - now
if hold > 0 then
  free = math.max(free, now + hold)
elseif wait <= most then
  free = free + count / rate
else
  return string.format('%.6f', wait)
end
redis.call('SET', key, string.format('%.6f', free), 'PX', math.ceil((free - now) * 1000) + 1000)
return string.format('%.6f', wait)
