-- A store's view in one piece: {seq, body, body, …}: every open order and what ended since ARGV[2], at most ARGV[3].
local base = 'ob:s:' .. ARGV[1]
local view = {redis.call('GET', base .. ':seq') or '0'}
for _, key in ipairs(redis.call('SMEMBERS', base .. ':open')) do
  view[#view + 1] = redis.call('HGET', 'ob:o:' .. key, 'b')
end
for _, key in ipairs(redis.call('ZREVRANGEBYSCORE', base .. ':done', '+inf', ARGV[2], 'LIMIT', 0, ARGV[3])) do
  view[#view + 1] = redis.call('HGET', 'ob:o:' .. key, 'b')
end
return view
