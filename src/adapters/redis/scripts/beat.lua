-- beat.lua, version 1. One gateway's heartbeat: it stays a member of the fleet and agrees with it on the secret.
-- KEYS  1 members: sorted set of instances, score = expiry in milliseconds of this server's clock
--       2 secret
-- ARGV  1 the instance's id   2 milliseconds until it counts as gone, 0 = it leaves   3 its secret, '' = configured, leave the key alone
-- Returns {now in microseconds, instances alive, the fleet's secret or ''}. The set lives as long as its last member.

local time = redis.call('TIME')
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', nowMs))
if ARGV[2] == '0' then
  redis.call('ZREM', KEYS[1], ARGV[1])
else
  redis.call('ZADD', KEYS[1], string.format('%.0f', nowMs + tonumber(ARGV[2])), ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
local secret = ''
if ARGV[3] ~= '' then
  redis.call('SET', KEYS[2], ARGV[3], 'NX')
  secret = redis.call('GET', KEYS[2])
end
return { tonumber(time[1]) * 1000000 + tonumber(time[2]), redis.call('ZCARD', KEYS[1]), secret }
