-- Puts what an export says of a key beside what stands there, which is newer and stays. Replies {1 where it stood there,
-- 1 where it holds now what the export says}.
-- ARGV: key, type, when it ends (Unix milliseconds, 0: never), '1' where a hash is taken whole or not at all, then what
-- it holds, flat.
local key, kind, ends, whole = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1'
local stood = redis.call('EXISTS', key)

if stood == 1 and whole then
  local own = redis.call('HLEN', key) - redis.call('HEXISTS', key, 'o') - redis.call('HEXISTS', key, 'p')
  if own * 2 ~= #ARGV - 4 then return {1, 0} end
  for i = 5, #ARGV, 2 do
    if redis.call('HGET', key, ARGV[i]) ~= ARGV[i + 1] then return {1, 0} end
  end
  return {1, 1}
end

local step = (kind == 'hash' or kind == 'zset') and 2 or 1
for i = 5, #ARGV, step do
  if kind == 'hash' then redis.call('HSETNX', key, ARGV[i], ARGV[i + 1])
  elseif kind == 'zset' then redis.call('ZADD', key, 'NX', ARGV[i + 1], ARGV[i])
  elseif kind == 'set' then redis.call('SADD', key, ARGV[i])
  elseif stood == 1 then return {1, 0}
  elseif kind == 'list' then redis.call('RPUSH', key, ARGV[i])
  else redis.call('SET', key, ARGV[i]) end
end
if stood == 0 then
  if ends ~= '0' then redis.call('PEXPIREAT', key, ends) end
  if string.sub(key, 1, 6) == 'ob:qe:' then -- the room that a source's quarantine takes
    local size, source = unpack(redis.call('HMGET', key, 'z', 's'))
    redis.call('INCRBY', 'ob:qsize:' .. (source or ''), size or 0)
  end
end
return {stood, 1}
