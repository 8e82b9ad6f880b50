-- Takes at most ARGV[3] keys that are due at ARGV[1]; until ARGV[2] they are this node's.
local due = redis.call('ZRANGEBYSCORE', 'ob:due', '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
for _, key in ipairs(due) do redis.call('ZADD', 'ob:due', ARGV[2], key) end
return due
