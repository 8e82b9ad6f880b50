-- A position: kept and announced, unless its order has ended or was erased meanwhile. ARGV: order key, channel, fix, announcement,
-- how many fixes are kept, and for how many seconds.
if redis.call('ZSCORE', 'ob:ended', ARGV[1]) or redis.call('EXISTS', 'ob:o:' .. ARGV[1]) == 0 then return 0 end
local name = 'ob:pos:' .. ARGV[1]
redis.call('RPUSH', name, ARGV[3])
redis.call('LTRIM', name, -tonumber(ARGV[5]), -1)
redis.call('EXPIRE', name, ARGV[6])
redis.call('PUBLISH', ARGV[2], ARGV[4])
return 1
