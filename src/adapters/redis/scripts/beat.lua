-- beat.lua, version 1. One gateway's heartbeat: it stays a member of the fleet, agrees with it on the secret, and learns who
-- the others are when that has changed.
-- KEYS  1 members: sorted set of instances, score = expiry in milliseconds of this server's clock
--       2 secret
--       3 instances: hash of instance -> its version, configuration and workers; '' -> when members or these last changed
-- ARGV  1 the instance's id, '' = who asks only looks   2 milliseconds until a member counts as gone
--       3 its secret, '' = configured, leave the key alone
--       4 what the hash says of it, '' = it leaves   5 the last change that it knows of
-- Returns {now in microseconds, instances alive, the fleet's secret or '', the last change, members}. Members are
-- {id, what the hash says of it, id, …}, empty where ARGV 5 is the last change. The keys live as long as the last member.

local time = redis.call('TIME')
local nowUs = tonumber(time[1]) * 1000000 + tonumber(time[2])
local nowMs = math.floor(nowUs / 1000)
local changed = false

for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', nowMs))) do
  redis.call('ZREM', KEYS[1], id)
  redis.call('HDEL', KEYS[3], id)
  changed = true
end
if ARGV[1] ~= '' and ARGV[4] == '' then
  if redis.call('ZREM', KEYS[1], ARGV[1]) == 1 then changed = true end
  redis.call('HDEL', KEYS[3], ARGV[1])
elseif ARGV[1] ~= '' then
  local expiry = string.format('%.0f', nowMs + tonumber(ARGV[2]))
  if redis.call('ZADD', KEYS[1], expiry, ARGV[1]) == 1 then changed = true end
  if redis.call('HGET', KEYS[3], ARGV[1]) ~= ARGV[4] then
    redis.call('HSET', KEYS[3], ARGV[1], ARGV[4])
    changed = true
  end
end
if changed then redis.call('HSET', KEYS[3], '', string.format('%.0f', nowUs)) end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[3], ARGV[2])

local secret = ''
if ARGV[3] ~= '' then
  redis.call('SET', KEYS[2], ARGV[3], 'NX')
  secret = redis.call('GET', KEYS[2])
end
local change = redis.call('HGET', KEYS[3], '') or '0'
local members = {}
if change ~= ARGV[5] then
  for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
    members[#members + 1] = id
    members[#members + 1] = redis.call('HGET', KEYS[3], id) or ''
  end
end
return { nowUs, redis.call('ZCARD', KEYS[1]), secret, change, members }
