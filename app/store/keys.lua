-- The keys ARGV as they are: {type, when it ends (Unix milliseconds, below 0: never), what it holds, flat}, …
-- Of a stream nothing: it is too long for one reply.
local reads = {
  string = function(key) return {redis.call('GET', key)} end,
  list = function(key) return redis.call('LRANGE', key, 0, -1) end,
  set = function(key) return redis.call('SMEMBERS', key) end,
  zset = function(key) return redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') end,
  hash = function(key) return redis.call('HGETALL', key) end,
  stream = function() return {} end,
  none = function() return {} end,
}
local found = {}
for i, key in ipairs(ARGV) do
  local kind = redis.call('TYPE', key).ok
  found[i] = {kind, redis.call('PEXPIRETIME', key), reads[kind](key)}
end
return found
