-- take.lua, version 1. Decides groups of requests by their limits: all or none, nothing written for a denied request.
-- Twin: src/core/limit (rate.ts window.ts quota.ts reservation.ts decision.ts), held equal by a property test.
-- Integers only, all below 2^53; times are microseconds since the epoch of this server's clock.
--
-- KEYS  1..P   the sentinel of each partition that the call touches
--       P+1..  the limiter keys, each once (below: key 1 is KEYS[P+1])
-- ARGV, in order; a count precedes each list:
--   version     1
--   seen        latest time of this server that the caller has seen: a time before it is a step back of the clock
--   id          new to this call: names a sentinel that has to be made
--   sentinels   the id that the caller last saw there, '' = none
--   keys        the number of the key's sentinel
--   limits      'r' burst interval ticksPerUs | 'w' limit windowUs grainUs | 'q' limit and 4 edges of calendar periods in a row
--   settlements key limit id spent reserved final     applied first, whatever is decided then:
--   returns     key limit id                          no reservation of this version outlives its call, so what they name
--   renewals    key limit id forUs                    is unknown: only what was spent above `reserved` is charged
--   groups      count, then uses: key limit cost shadow(0 or 1)
-- Returns {1, now}  nothing done: a quota's edges do not hold now
--         {0, now, ids, ...}  ids: of each sentinel its id where the caller saw another, else ''; then flat, of each group
--         the number admitted, and of each of its uses: charged, remaining, moreUs, waitUs (GroupDecision in decision.ts)
--
-- Values: rate 'us' or 'us:ps' (the TAT) · quota 'end:count' or 'end:count:lost' · window, big-endian: sum (6 octets), then
-- entries, oldest first: stamp (7), units (5) · sentinel 'id created lost'.

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local keepMs = 1

local floor, ceil, max, min = math.floor, math.ceil, math.max, math.min
local MAX_TICKS, PS = 4503599627370496, 1000000
local NEVER = -1
local at = 0
local function text() at = at + 1 return ARGV[at] end
local function int() at = at + 1 return tonumber(ARGV[at]) end
local function str(number) return string.format('%.0f', number) end

if text() ~= '1' then return redis.error_reply('ERR take.lua speaks version 1') end
local seen, newId = int(), text()

-- rate ---------------------------------------------------------------------------------------------------------------
local rate = {}
local function debt(s, l)
  return max(0, (s.us - now) * l.ticksPerUs + ceil(s.ps * l.ticksPerUs / PS))
end
function rate.row()
  local burst, interval, ticksPerUs = int(), int(), int()
  return { kind = rate, most = burst, interval = interval, ticksPerUs = ticksPerUs, tolerance = burst * interval }
end
function rate.load(value)
  if not value then return { us = 0, ps = 0 } end
  local us = tonumber(value)
  if us then return { us = us, ps = 0 } end
  local whole, part = string.match(value, '^(%d+):(%d+)$')
  return { us = tonumber(whole), ps = tonumber(part) }
end
function rate.level(s, l) return floor((l.tolerance - debt(s, l)) / l.interval) end
function rate.wait(s, l, units)
  local missing = debt(s, l) + units * l.interval - l.tolerance
  return missing > 0 and ceil(missing / l.ticksPerUs) or 0
end
local function rateChargeAt(s, l, units, instant, owed)
  local ticks = min(owed + units * l.interval, MAX_TICKS)
  local whole = floor(ticks / l.ticksPerUs)
  s.us = instant + whole
  s.ps = (ticks - whole * l.ticksPerUs) * (PS / l.ticksPerUs)
end
function rate.charge(s, l, units) rateChargeAt(s, l, units, now, debt(s, l)) end
function rate.heal(s, l)
  if now >= seen or debt(s, l) <= l.tolerance then return false end
  rateChargeAt(s, l, l.most, now, 0)
  return true
end
function rate.emptyAt(s, l, lost) rateChargeAt(s, l, l.most, lost, 0) end
function rate.value(s) return s.ps > 0 and str(s.us) .. ':' .. str(s.ps) or str(s.us) end
function rate.expires(s) return s.ps > 0 and s.us + 1 or s.us end

-- window: body holds the packed entries but the last, from octet `first` on; stamp and units are the last entry --------
local window = {}
local ENTRY = 12
local function entry(body, from)
  local stamp, units = struct.unpack('>I7I5', body, from)
  return stamp, units
end
function window.row()
  local most, windowUs, grainUs = int(), int(), int()
  return { kind = window, most = most, windowUs = windowUs, grainUs = grainUs }
end
function window.load(value)
  if not value then return { sum = 0, body = '', first = 1 } end
  local sum = struct.unpack('>I6', value)
  local stamp, units = entry(value, #value - ENTRY + 1)
  return { sum = sum, body = string.sub(value, 7, #value - ENTRY), first = 1, stamp = stamp, units = units }
end
-- Units that no longer count, where the first entry that does begins, and whether there is one at all.
local function expired(s, l)
  local horizon, units, from = now - l.windowUs, 0, s.first
  if not s.stamp then return 0, from, false end
  while from < #s.body do
    local stamp, more = entry(s.body, from)
    if stamp > horizon then return units, from, true end
    units, from = units + more, from + ENTRY
  end
  if s.stamp > horizon then return units, from, true end
  return units + s.units, from, false
end
function window.level(s, l) return l.most - s.sum + (expired(s, l)) end
function window.wait(s, l, units)
  local gone, from, alive = expired(s, l)
  local missing = s.sum - gone + units - l.most
  if missing <= 0 then return 0 end
  while alive and from < #s.body do
    local stamp, more = entry(s.body, from)
    missing, from = missing - more, from + ENTRY
    if missing <= 0 then return stamp + l.windowUs - now end
  end
  if alive and missing <= s.units then return s.stamp + l.windowUs - now end
  return l.windowUs
end
function window.charge(s, l, units)
  local gone, from, alive = expired(s, l)
  s.sum = s.sum + units - gone
  if not alive then
    s.body, s.first, s.stamp, s.units = '', 1, now, units
    return
  end
  s.first = from
  local g = l.grainUs
  if s.stamp == now or (g > 1 and floor(s.stamp / g) == floor(now / g)) then
    s.stamp, s.units = now, s.units + units
  else
    s.body = string.sub(s.body, from) .. struct.pack('>I7I5', s.stamp, s.units)
    s.first, s.stamp, s.units = 1, now, units
  end
end
function window.heal(s)
  if not s.stamp or s.stamp <= now then return false end
  local last = #s.body - ENTRY + 1
  while last >= s.first do
    local stamp, units = entry(s.body, last)
    if stamp <= now then break end
    s.units, last = s.units + units, last - ENTRY
  end
  s.body, s.stamp = string.sub(s.body, 1, last + ENTRY - 1), now
  return true
end
function window.emptyAt(s, l, lost)
  local steps = l.windowUs <= 60000000 and 1 or min(100, l.most)
  local body, before = {}, 0
  for step = 1, steps do
    local units = floor(l.most * step / steps)
    s.stamp, s.units = lost - l.windowUs + ceil(l.windowUs * (step / steps)), units - before
    if step < steps then body[step] = struct.pack('>I7I5', s.stamp, s.units) end
    before = units
  end
  s.sum, s.body = l.most, table.concat(body)
end
function window.value(s)
  return struct.pack('>I6', s.sum) .. string.sub(s.body, s.first) .. struct.pack('>I7I5', s.stamp, s.units)
end
function window.expires(s, l) return s.stamp + l.windowUs end

-- quota --------------------------------------------------------------------------------------------------------------
local quota = {}
local stale = false
function quota.row()
  local l = { kind = quota, most = int() }
  local edges = { int(), int(), int(), int() }
  if now < edges[1] or now >= edges[4] then stale = true end
  for i = 2, 4 do
    if not l.finish and now < edges[i] then l.start, l.finish = edges[i - 1], edges[i] end
  end
  return l
end
function quota.load(value)
  if not value then return { finish = 0, count = 0, lost = 0 } end
  local finish, count, lost = string.match(value, '^(%d+):(%d+):?(%d*)$')
  return { finish = tonumber(finish), count = tonumber(count), lost = tonumber(lost) or 0 }
end
local function spent(s) return s.finish > now and s.count or 0 end
local function budget(s, l)
  if s.lost == 0 or s.finish <= now then return l.most end
  return min(l.most, floor(l.most * ((now - s.lost) / (l.finish - l.start))))
end
function quota.level(s, l) return budget(s, l) - spent(s) end
function quota.wait(s, l, units)
  local wanted = spent(s) + units
  if wanted <= budget(s, l) then return 0 end
  if s.lost == 0 or wanted > l.most then return l.finish - now end
  return max(1, min(s.lost + ceil(wanted * (l.finish - l.start) / l.most), l.finish) - now)
end
function quota.charge(s, l, units)
  if s.finish <= now then s.count, s.lost = 0, 0 end
  s.count, s.finish = s.count + units, l.finish
end
function quota.heal(s, l)
  if s.finish <= l.finish then return false end
  s.finish, s.lost = l.finish, min(s.lost, now)
  return true
end
function quota.emptyAt(s, l, lost)
  if lost >= l.start and lost < l.finish then s.finish, s.count, s.lost = l.finish, 0, lost end
end
function quota.value(s)
  local value = str(s.finish) .. ':' .. str(s.count)
  return s.lost > 0 and value .. ':' .. str(s.lost) or value
end
function quota.expires(s) return s.finish end

-- the call -----------------------------------------------------------------------------------------------------------
local kinds = { r = rate, w = window, q = quota }
local sentinelSeen, sentinelOf, limits = {}, {}, {}
for p = 1, int() do sentinelSeen[p] = text() end
for k = 1, int() do sentinelOf[k] = int() end
for l = 1, int() do limits[l] = kinds[text()].row() end
if stale then return { 1, now } end

local values = {}
for from = 1, #KEYS, 1000 do
  local part = redis.call('MGET', unpack(KEYS, from, min(from + 999, #KEYS)))
  for i = 1, #part do values[from + i - 1] = part[i] end
end

-- A sentinel that is gone, or another than the caller saw, tells that the partition's past was lost, and when.
local ids, lostAt, partitions = {}, {}, #sentinelSeen
for p = 1, partitions do
  local known = sentinelSeen[p]
  local id, created, lost = string.match(values[p] or '', '^(%S+) (%d+) (%d+)$')
  local changed = not id
  if not id then
    id, created, lost = newId, now, known == '' and 0 or now
  else
    created, lost = tonumber(created), tonumber(lost)
    if known ~= '' and known ~= id and lost == 0 then lost, changed = created, true end
  end
  if changed then redis.call('SET', KEYS[p], id .. ' ' .. str(created) .. ' ' .. str(lost)) end
  ids[p] = id == known and '' or id
  lostAt[p] = min(lost, now)
end

local states, dirty, limitOf = {}, {}, {}
local function stateOf(key, l)
  local s = states[key]
  if s then return s end
  local value = values[partitions + key]
  s = l.kind.load(value)
  states[key], limitOf[key] = s, l
  if value then
    if l.kind.heal(s, l) then dirty[key] = true end
  else
    local lost = lostAt[sentinelOf[key]]
    if lost > 0 then l.kind.emptyAt(s, l, lost) end
  end
  return s
end
local function charge(key, l, units)
  l.kind.charge(stateOf(key, l), l, units)
  dirty[key], limitOf[key] = true, l
end

for _ = 1, int() do
  local key, l = int(), limits[int()]
  text()
  local units = max(0, int() - int())
  text()
  if units > 0 then charge(key, l, units) end
end
local returns = int()
at = at + 3 * returns
local renewals = int()
at = at + 4 * renewals

local reply = { 0, now, ids }
local function wait(s, l, units)
  return units > l.most and NEVER or l.kind.wait(s, l, units)
end
for _ = 1, int() do
  local admitted, uses = int(), {}
  for u = 1, int() do
    local key, l, cost, shadow = int(), limits[int()], int(), int()
    local fits = max(0, floor(l.kind.level(stateOf(key, l), l) / cost))
    uses[u] = { key = key, limit = l, cost = cost, fits = fits }
    if shadow == 0 and fits < admitted then admitted = fits end
  end
  reply[#reply + 1] = admitted
  for u = 1, #uses do
    local use = uses[u]
    local l, s, charged = use.limit, states[use.key], min(admitted, use.fits)
    if charged > 0 then charge(use.key, l, charged * use.cost) end
    local left = max(0, l.kind.level(s, l))
    reply[#reply + 1] = charged
    reply[#reply + 1] = left
    reply[#reply + 1] = left >= l.most and NEVER or wait(s, l, left + 1)
    reply[#reply + 1] = left >= use.cost and 0 or wait(s, l, use.cost)
  end
end

for key in pairs(dirty) do
  local s, l = states[key], limitOf[key]
  local ttl = max(1, ceil((l.kind.expires(s, l) - now) / 1000)) + keepMs
  redis.call('SET', KEYS[partitions + key], l.kind.value(s), 'PX', str(ttl))
end
return reply
