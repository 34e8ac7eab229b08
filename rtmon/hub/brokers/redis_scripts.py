"""Lua scripts that run in Redis: publish, history, presence. Each script is one atomic step.

As in Centrifugo's Redis engine, one step assigns the position, stores the publication and calls
PUBLISH.

Keys in Redis, each after the prefix:

- ``life``: hash with ``epoch``; ``seq``, the number of all publications; ``base``, its value when
  the epoch began; and ``order``, the number of all joins;
- ``at:KEY``: the offset of a channel. After this key has expired, offsets continue from ``seq``,
  which no offset exceeds, so that an old position is never mistaken for a new one;
- ``past:KEY``: stream with the history of a channel. The stream ids are offsets;
- ``seen:SENDER:ID``: the position of the publication with this id;
- ``who:KEY``, ``info:KEY``, ``here:KEY``: the clients in a channel in order of joining, their info,
  and their number on each node;
- ``nodes``: time until which each node counts as alive; ``mine:NODE``: the channels of its clients;
- ``dying``, ``gone:NODE``: nodes whose clients are being removed, and nodes that were declared
  dead.

All messages are published on one Redis channel, ``all``, to every node. A message is ``p epoch seq
offset length`` for a publication, or ``t epoch seq count length`` for a message without a position,
then the key of that length, then the body.
"""

from __future__ import annotations

from typing import Final

__all__ = ["SCRIPTS"]

_HEAD: Final = """
local P = ARGV[1]
local now = tonumber(ARGV[2])
if now < 0 then
  local t = redis.call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end
local function life(epoch, seq, fresh)
  local found = redis.call('HMGET', P .. 'life', 'epoch', 'seq')
  local e, s = found[1], tonumber(found[2] or 0)
  -- Missing, or older than what a node has seen (a restored backup): begin a new epoch.
  if not e or (e == epoch and s < tonumber(seq)) then
    e = fresh
    redis.call('HSET', P .. 'life', 'epoch', e, 'seq', s, 'base', s)
  end
  return e, s
end
local function keep(key, ttl)
  if tonumber(ttl) > 0 then redis.call('PEXPIRE', key, ttl) else redis.call('PERSIST', key) end
end
local function user(key)
  if string.sub(key, 1, 5) == 'user:' then return string.sub(key, 6) end
end
local function add(key, id, node, member)
  local who = P .. 'who:' .. key
  if not redis.call('ZSCORE', who, id) then
    local order = redis.call('HINCRBY', P .. 'life', 'order', 1)
    redis.call('ZADD', who, order, id)
    redis.call('HINCRBY', P .. 'here:' .. key, node, 1)
    redis.call('SADD', P .. 'mine:' .. node, id .. ' ' .. key)
    if user(key) then redis.call('ZADD', P .. 'who:users', 'NX', order, user(key)) end
  end
  redis.call('HSET', P .. 'info:' .. key, id, member)
  return redis.call('ZCARD', who)
end
local function remove(key, id, node)
  local who = P .. 'who:' .. key
  if redis.call('ZREM', who, id) == 1 then
    redis.call('HDEL', P .. 'info:' .. key, id)
    if redis.call('HINCRBY', P .. 'here:' .. key, node, -1) <= 0 then
      redis.call('HDEL', P .. 'here:' .. key, node)
    end
    if user(key) and redis.call('EXISTS', who) == 0 then
      redis.call('ZREM', P .. 'who:users', user(key))
    end
  end
  redis.call('SREM', P .. 'mine:' .. node, id .. ' ' .. key)
  return redis.call('ZCARD', who)
end
local function elsewhere(key, node)
  local here = redis.call('HGET', P .. 'here:' .. key, node)
  return redis.call('ZCARD', P .. 'who:' .. key) - tonumber(here or 0)
end
local function publish(kind, e, s, number, key, body)
  local head = table.concat({kind, e, s, number, #key}, ' ')
  redis.call('PUBLISH', P .. 'all', head .. ' ' .. key .. body)
end
"""

_LIFE: Final = """
local e, s = life(ARGV[3], ARGV[4], ARGV[5])
"""

_SYNC: Final = """
return {e, s, tonumber(redis.call('HGET', P .. 'life', 'base') or s)}
"""

_PUBLISH: Final = """
local key, body, size, age, ttl = ARGV[6], ARGV[7], tonumber(ARGV[8]), ARGV[9], ARGV[10]
local seen, remember = ARGV[11], tonumber(ARGV[12])
if seen ~= '' then
  local first = redis.call('HMGET', P .. 'seen:' .. seen, 'time', 'offset', 'epoch')
  if first[1] and tonumber(first[1]) + remember > now then
    return {first[3], s, tonumber(first[2]), 1}
  end
end
local at = P .. 'at:' .. key
local offset = tonumber(redis.call('GET', at) or s) + 1
s = redis.call('HINCRBY', P .. 'life', 'seq', 1)
redis.call('SET', at, offset)
keep(at, ttl)
local past = P .. 'past:' .. key
if size > 0 then
  local function store()
    return redis.pcall('XADD', past, 'MAXLEN', size, offset, 't', now, 's', s, 'd', body)
  end
  local stored = store()
  if type(stored) == 'table' and stored.err then
    -- The stream has ids above this offset, because only the offset was lost: start it again.
    redis.call('DEL', past)
    store()
  end
  keep(past, age)
else
  redis.call('DEL', past)
end
publish('p', e, s, offset, key, body)
if seen ~= '' then
  redis.call('HSET', P .. 'seen:' .. seen, 'time', now, 'offset', offset, 'epoch', e)
  redis.call('PEXPIRE', P .. 'seen:' .. seen, remember)
end
return {e, s, offset, 0}
"""

_RECOVER: Final = """
local key, age, ttl, node, asked, since = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[11]
local at = P .. 'at:' .. key
local offset = tonumber(redis.call('GET', at) or -1)
if offset < 0 then
  offset = s
  redis.call('SET', at, offset)
end
keep(at, ttl)
local items = {}
if asked == e and tonumber(since) < offset then
  local past = redis.call('XRANGE', P .. 'past:' .. key, tonumber(since) + 1, '+')
  for _, entry in ipairs(past) do
    local fields = entry[2]
    if tonumber(age) == 0 or tonumber(fields[2]) >= now - tonumber(age) then
      items[#items + 1] = tonumber(string.match(entry[1], '^%d+'))
      items[#items + 1] = tonumber(fields[4])
      items[#items + 1] = fields[6]
    end
  end
end
return {e, s, offset, elsewhere(key, node), items}
"""

_TELL: Final = """
local key, body, seen, remember = ARGV[6], ARGV[7], P .. 'seen:' .. ARGV[8], ARGV[9]
if redis.call('SET', seen, 1, 'NX', 'PX', remember) then
  publish('t', e, s, redis.call('ZCARD', P .. 'who:' .. key), key, body)
end
"""

_SEND: Final = """
local client, key, body = ARGV[6], ARGV[7], ARGV[8]
if redis.call('HEXISTS', P .. 'info:chat', client) == 0 then return 0 end
publish('t', e, s, 1, key, body)
return 1
"""

_NODES: Final = """
publish('t', e, s, 1, ARGV[6], ARGV[7])
return redis.call('ZRANGEBYSCORE', P .. 'nodes', now, '+inf')
"""

_CLAIM: Final = """
local id, node, ttl = ARGV[3], ARGV[4], ARGV[5]
if redis.call('HEXISTS', P .. 'info:chat', id) == 1 then return 0 end
if redis.call('SET', P .. 'claim:' .. id, node, 'NX', 'PX', ttl) then return 1 end
return 0
"""

_UNCLAIM: Final = """
local key = P .. 'claim:' .. ARGV[3]
if redis.call('GET', key) == ARGV[4] then redis.call('DEL', key) end
"""

_KNOWS: Final = """
return redis.call('HEXISTS', P .. 'info:chat', ARGV[3])
"""

_JOIN: Final = """
return add(ARGV[3], ARGV[4], ARGV[5], ARGV[6])
"""

_LEAVE: Final = """
return remove(ARGV[3], ARGV[4], ARGV[5])
"""

_PRESENT: Final = """
local key, limit = ARGV[3], tonumber(ARGV[4])
local found = {redis.call('ZCARD', P .. 'who:' .. key)}
if limit > 0 then
  for _, id in ipairs(redis.call('ZRANGE', P .. 'who:' .. key, 0, limit - 1)) do
    found[#found + 1] = redis.call('HGET', P .. 'info:' .. key, id) or ''
  end
end
return found
"""

_ELSEWHERE: Final = """
return elsewhere(ARGV[3], ARGV[4])
"""

_BEAT: Final = """
local node, expires, judge = ARGV[3], tonumber(ARGV[4]), ARGV[5] == '1'
-- A full Redis refuses a script if its first write needs memory. This first write needs none,
-- so that live nodes stay known even then.
redis.call('SREM', P .. 'dying', node)
local buried = redis.call('DEL', P .. 'gone:' .. node)
local unknown = redis.call('ZADD', P .. 'nodes', now + expires, node)
if not judge then return {buried, unknown, {}} end
for _, dead in ipairs(redis.call('ZRANGEBYSCORE', P .. 'nodes', '-inf', now)) do
  redis.call('ZREM', P .. 'nodes', dead)
  redis.call('SADD', P .. 'dying', dead)
  redis.call('SET', P .. 'gone:' .. dead, 1, 'PX', 86400000)
end
return {buried, unknown, redis.call('SMEMBERS', P .. 'dying')}
"""

_BURY: Final = """
local node, limit = ARGV[3], ARGV[4]
local moved = {}
-- The node may have come back meanwhile.
if redis.call('SISMEMBER', P .. 'dying', node) == 0 then return moved end
for _, each in ipairs(redis.call('SPOP', P .. 'mine:' .. node, limit)) do
  local id, key = string.match(each, '^(%S+) (.*)$')
  local member = redis.call('HGET', P .. 'info:' .. key, id)
  local remaining = remove(key, id, node)
  if member then
    moved[#moved + 1] = key
    moved[#moved + 1] = member
    moved[#moved + 1] = remaining
  end
end
if redis.call('EXISTS', P .. 'mine:' .. node) == 0 then redis.call('SREM', P .. 'dying', node) end
return moved
"""

_MINE: Final = """
return redis.call('SMEMBERS', P .. 'mine:' .. ARGV[3])
"""

_DEPART: Final = """
redis.call('ZREM', P .. 'nodes', ARGV[3])
return redis.call('DEL', P .. 'gone:' .. ARGV[3])
"""

SCRIPTS: Final[dict[str, str]] = {
    "sync": _HEAD + _LIFE + _SYNC,
    "publish": _HEAD + _LIFE + _PUBLISH,
    "recover": _HEAD + _LIFE + _RECOVER,
    "tell": _HEAD + _LIFE + _TELL,
    "send": _HEAD + _LIFE + _SEND,
    "nodes": _HEAD + _LIFE + _NODES,
    "claim": _HEAD + _CLAIM,
    "unclaim": _HEAD + _UNCLAIM,
    "knows": _HEAD + _KNOWS,
    "join": _HEAD + _JOIN,
    "leave": _HEAD + _LEAVE,
    "present": _HEAD + _PRESENT,
    "elsewhere": _HEAD + _ELSEWHERE,
    "beat": _HEAD + _BEAT,
    "bury": _HEAD + _BURY,
    "mine": _HEAD + _MINE,
    "depart": _HEAD + _DEPART,
}
"""Name → Lua script. The first argument of each script is the prefix of all keys. The second is
the time in milliseconds, or -1 for the clock of Redis. Scripts that check the epoch then take the
epoch and seq that the node knows, and an id for a new epoch."""
