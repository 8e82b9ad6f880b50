-- Work that nodes share: queues of due times, a hash for each entry, and whoever took one last as its owner ('o').
-- 'p' marks an entry that was asked for while somebody had it.
local op, prefix = ARGV[1], ARGV[2]

local function mine(key, node) return redis.call('HGET', prefix .. key, 'o') == node end

-- claim, prefix, node, now, until, prefix of what is read along, then queue, most, …
-- Replies {the soonest due time left, {queue, key, fields, {tag, body}}, …}
if op == 'claim' then
  local node, now, till, along = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
  local found = {''}
  for i = 7, #ARGV, 2 do
    local queue = ARGV[i]
    for _, key in ipairs(redis.call('ZRANGEBYSCORE', queue, '-inf', now, 'LIMIT', 0, ARGV[i + 1])) do
      local row = redis.call('HGETALL', prefix .. key)
      if #row == 0 then
        redis.call('ZREM', queue, key)
      else
        redis.call('HSET', prefix .. key, 'o', node)
        redis.call('HDEL', prefix .. key, 'p')
        redis.call('ZADD', queue, till, key)
        local beside = {}
        if along ~= '' then beside = redis.call('HMGET', along .. key, 't', 'b') end
        found[#found + 1] = {queue, key, row, beside}
      end
    end
    local left = redis.call('ZRANGE', queue, 0, 0, 'WITHSCORES')[2]
    if left and (found[1] == '' or tonumber(left) < tonumber(found[1])) then found[1] = left end
  end
  return found
end

-- save, prefix, node, queue, key, due ('-': the entry goes; '*': it stays, but is due no more), then field, value, …
-- Replies 0 where somebody else has taken it over.
if op == 'save' then
  local node, queue, key, due = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
  if not mine(key, node) then return 0 end
  if due == '-' then
    redis.call('ZREM', queue, key)
    redis.call('DEL', prefix .. key)
    return 1
  end
  if due == '*' then
    redis.call('ZREM', queue, key)
  else
    if redis.call('HGET', prefix .. key, 'p') then due = '0' end
    redis.call('ZADD', queue, due, key)
  end
  if #ARGV > 6 then redis.call('HSET', prefix .. key, unpack(ARGV, 7)) end
  redis.call('HDEL', prefix .. key, 'o')
  return 1
end

-- lay, prefix, node, queue, key, another queue, score there, then field, value, …: due no more, but kept in the other
-- queue, for people. In one step with the fields: who died halfway would leave it where nobody looks.
if op == 'lay' then
  local queue, key = ARGV[4], ARGV[5]
  if not mine(key, ARGV[3]) then return 0 end
  redis.call('ZREM', queue, key)
  redis.call('ZADD', ARGV[6], ARGV[7], key)
  redis.call('HSET', prefix .. key, unpack(ARGV, 8))
  redis.call('HDEL', prefix .. key, 'o')
  return 1
end

-- note, prefix, node, key, field, value: a word about work in hand. 0 where it is somebody else's.
if op == 'note' then
  if not mine(ARGV[4], ARGV[3]) then return 0 end
  redis.call('HSET', prefix .. ARGV[4], ARGV[5], ARGV[6])
  return 1
end

-- renew, prefix, node, until, then queue, key, …: what is still ours stays ours until then.
if op == 'renew' then
  local held = 0
  for i = 5, #ARGV, 2 do
    if mine(ARGV[i + 1], ARGV[3]) then
      redis.call('ZADD', ARGV[i], 'XX', ARGV[4], ARGV[i + 1])
      held = held + 1
    end
  end
  return held
end

-- start, prefix, queue, key, due, then field, value, …: 0 where it is there already, or was asked to be forgotten.
if op == 'start' then
  if redis.call('EXISTS', prefix .. ARGV[4]) == 1 or redis.call('HEXISTS', 'ob:erased', ARGV[4]) == 1 then return 0 end
  redis.call('ZADD', ARGV[3], ARGV[5], ARGV[4])
  redis.call('HSET', prefix .. ARGV[4], unpack(ARGV, 6))
  return 1
end

-- poke, prefix, now, then queue, key, …: due at once; what somebody has in hand, as soon as it is put back.
local poked = 0
for i = 4, #ARGV, 2 do
  local queue, key = ARGV[i], ARGV[i + 1]
  if redis.call('EXISTS', prefix .. key) == 1 then
    poked = poked + 1
    redis.call('HSET', prefix .. key, 'p', '1')
    local due = redis.call('ZSCORE', queue, key)
    if not due or not redis.call('HGET', prefix .. key, 'o') or tonumber(due) <= tonumber(ARGV[3]) then
      redis.call('ZADD', queue, ARGV[3], key)
    end
  end
end
return poked
