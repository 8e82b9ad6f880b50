-- One event's whole effect: refuse a repeat, compare, save, number, journal, index, announce. All or nothing.
-- Replies: 0 a repeat · -1 ledger only · seq · {seq, seq of the store it left} · {tag, body} where it has moved on
-- INCR and XADD come first: should one fail (memory, disk), nothing has been written yet.
-- ARGV: the words as one msgpack array (to send them one by one costs the client more than all the rest), the order,
-- the ledger line, then the effects, key and entry in turn.
local words, body, line = cmsgpack.unpack(ARGV[1]), ARGV[2], ARGV[3]
local key, digest, expected, tag, heard = words[1], words[2], words[3], words[4], words[5]
local node, rev, store, left, state = words[6], words[7], words[8], words[9], words[10]
local ended, due, code = words[11], words[12], words[13]
local order, ledger, digests = 'ob:o:' .. key, 'ob:l:' .. key, 'ob:d:' .. key

if digest ~= '' and redis.call('HEXISTS', digests, digest) == 1 then
  -- The repeat writes, so that a WAIT after it covers the first one too.
  local count = redis.call('HINCRBY', digests, digest, 1)
  if count <= 6 then redis.call('RPUSH', ledger, '~' .. heard .. ' ' .. digest) end
  return 0
end
if (redis.call('HGET', order, 't') or '') ~= expected then
  return redis.call('HMGET', order, 't', 'b')
end
if expected == '' and redis.call('HEXISTS', 'ob:erased', key) == 1 then return 0 end -- it was asked to be forgotten

local function announce(where, mark)
  local base = 'ob:s:' .. where
  local seq = redis.call('INCR', base .. ':seq')
  redis.call('XADD', base .. ':j', 'MAXLEN', '~', 10000, seq .. '-0', 'k', key, 'r', mark)
  redis.call('PUBLISH', 'ob:c:' .. where, node .. ' ' .. seq .. ' ' .. mark .. ' ' .. key)
  return seq
end

local seq, gone = -1, nil
if body ~= '' then
  if rev ~= '' then seq = announce(store, rev) end
  if left ~= '' then
    gone = announce(left, '-1')
    redis.call('SREM', 'ob:s:' .. left .. ':open', key)
    redis.call('ZREM', 'ob:s:' .. left .. ':done', key)
  end
  redis.call('HSET', order, 't', tag, 'b', body)
  if state == 'open' then
    redis.call('SADD', 'ob:s:' .. store .. ':open', key)
    redis.call('ZREM', 'ob:s:' .. store .. ':done', key)
    redis.call('ZREM', 'ob:ended', key)
  elseif state == 'done' then
    redis.call('SREM', 'ob:s:' .. store .. ':open', key)
    redis.call('ZADD', 'ob:s:' .. store .. ':done', ended, key)
    redis.call('ZADD', 'ob:ended', ended, key)
    redis.call('EXPIRE', 'ob:pos:' .. key, 60, 'LT') -- where the shopper was is nobody's business a minute later
  end
  if expected == '' then redis.call('ZADD', 'ob:all', 'NX', redis.call('INCR', 'ob:n'), key) end
  if due == '-' then redis.call('ZREM', 'ob:due', key) elseif due ~= '' then redis.call('ZADD', 'ob:due', due, key) end
  if code ~= '' then
    redis.call('SADD', 'ob:code:' .. code, key)
    redis.call('SADD', 'ob:codes:' .. key, code)
  end
  for i = 4, #ARGV, 2 do
    if redis.call('HSETNX', 'ob:out:' .. ARGV[i], 'e', ARGV[i + 1]) == 1 then
      redis.call('ZADD', 'ob:outbox', heard, ARGV[i])
      redis.call('SADD', 'ob:outs:' .. key, ARGV[i])
    end
  end
end
if digest ~= '' then redis.call('HSET', digests, digest, 1) end
if line ~= '' and redis.call('RPUSH', ledger, line) > 1200 then redis.call('LTRIM', ledger, -1000, -1) end
if gone then return {seq, gone} end
return seq
