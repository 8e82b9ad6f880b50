-- Keeps what could not be used: a repeat counts, the oldest go when a source holds too many, too much or too old.
local id, source, entry, size, now = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local most, bytes, age = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local list, room = 'ob:q:' .. source, 'ob:qsize:' .. source

local function drop(old)
  local held = redis.call('HGET', 'ob:qe:' .. old, 'z')
  redis.call('DECRBY', room, held or 0)
  redis.call('DEL', 'ob:qe:' .. old)
  redis.call('ZREM', list, old)
  redis.call('INCR', 'ob:qlost:' .. source)
end

if redis.call('EXISTS', 'ob:qe:' .. id) == 1 then
  redis.call('HINCRBY', 'ob:qe:' .. id, 'n', 1)
  return 0
end
for _, old in ipairs(redis.call('ZRANGEBYSCORE', list, '-inf', now - age, 'LIMIT', 0, 100)) do drop(old) end
redis.call('HSET', 'ob:qe:' .. id, 'e', entry, 'n', 1, 'z', size, 's', source)
redis.call('ZADD', list, now, id)
redis.call('SADD', 'ob:qs', source)
local held = redis.call('INCRBY', room, size)
while redis.call('ZCARD', list) > most or held > bytes do
  local oldest = redis.call('ZRANGE', list, 0, 0)[1]
  if oldest == id then break end
  drop(oldest)
  held = tonumber(redis.call('GET', room))
end
return 1
