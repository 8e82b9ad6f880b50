#!lua flags=allow-oom
-- (Memory that is full must not keep it from being emptied.)
-- All that is kept of an order goes, and of the journeys that have become it. All or nothing.
-- ARGV: when it was asked for ('' where its time is over: then no tombstone), then key, tag as it was read and store of
-- each in turn. Replies -1 where one has moved on meanwhile, else how many ledger lines, links and calls went.
local when, lines, links, calls = ARGV[1], 0, 0, 0

for i = 2, #ARGV, 3 do
  if (redis.call('HGET', 'ob:o:' .. ARGV[i], 't') or '') ~= ARGV[i + 1] then return -1 end
end

-- As a commit announces that an order has left its store; but the journal's line names nobody: who finds it there reads
-- the whole view anew.
local function announce(key, store)
  local base = 'ob:s:' .. store
  local seq = redis.call('INCR', base .. ':seq')
  redis.call('XADD', base .. ':j', 'MAXLEN', '~', 10000, seq .. '-0', 'k', '', 'r', '-1')
  redis.call('PUBLISH', 'ob:c:' .. store, '- ' .. seq .. ' -1 ' .. key)
end

local function unlink(key)
  for _, id in ipairs(redis.call('SMEMBERS', 'ob:links:' .. key)) do
    local mark = redis.call('GET', 'ob:linkid:' .. id)
    local body = mark and redis.call('GET', 'ob:link:' .. mark)
    if body then
      local store = cmsgpack.unpack(body).store or ''
      redis.call('ZREM', 'ob:s:' .. (store == '' and '-' or store) .. ':links', id)
      links = links + redis.call('DEL', 'ob:link:' .. mark)
    end
    redis.call('DEL', 'ob:linkid:' .. id)
  end
end

local function uncall(key)
  for _, id in ipairs(redis.call('SMEMBERS', 'ob:outs:' .. key)) do
    calls = calls + redis.call('DEL', 'ob:out:' .. id)
    redis.call('ZREM', 'ob:outbox', id)
    redis.call('ZREM', 'ob:outdead', id)
  end
end

local function wipe(key, store)
  lines = lines + redis.call('LLEN', 'ob:l:' .. key)
  unlink(key)
  uncall(key)
  for _, journey in ipairs(redis.call('SMEMBERS', 'ob:aliases:' .. key)) do redis.call('DEL', 'ob:alias:' .. journey) end
  for _, index in ipairs({'ob:all', 'ob:due', 'ob:ended', 'ob:s:' .. store .. ':done'}) do redis.call('ZREM', index, key) end
  redis.call('SREM', 'ob:s:' .. store .. ':open', key)
  for _, code in ipairs(redis.call('SMEMBERS', 'ob:codes:' .. key)) do redis.call('SREM', 'ob:code:' .. code, key) end
  redis.call('ZREM', 'ob:follow:' .. key:match('^[^:]*'), key)
  for _, name in ipairs({'o', 'l', 'd', 'f', 'pos', 'links', 'outs', 'codes', 'aliases', 'swept'}) do
    redis.call('DEL', 'ob:' .. name .. ':' .. key)
  end
end

for i = 2, #ARGV, 3 do
  if when ~= '' then
    redis.call('HSETNX', 'ob:erased', ARGV[i], when)
    redis.call('PUBLISH', 'ob:control', redis.call('INCR', 'ob:control:n') .. ' order ' .. ARGV[i])
  end
  if ARGV[i + 1] ~= '' then announce(ARGV[i], ARGV[i + 2]) end
end
for i = 2, #ARGV, 3 do wipe(ARGV[i], ARGV[i + 2]) end
return {lines, links, calls}
