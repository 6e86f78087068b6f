-- wrk: as many different requests as told. Arguments: what differs ("routes" or "keys"), how many, "all" (each in turn,
-- once around) or "random". No two heads in a row are the same octets, so that no proxy can know one again.
local what, count, random
local at, nonce, state = 0, 0, 1

function init(args)
  what, count, random = args[1], tonumber(args[2]), args[3] == "random"
end

local function pick()
  if not random then
    at = (at + 1) % count
    return at
  end
  state = state * 16807 % 2147483647
  return math.floor(state / 2147483647 * count)
end

function request()
  local n = pick()
  nonce = nonce + 1
  local path, key = "/", "key"
  if what == "routes" then path = "/service-" .. n .. "/x" end
  if what == "keys" then key = "key-" .. n end
  return "GET " .. path .. " HTTP/1.1\r\nHost: bench\r\nX-Nonce: " .. nonce .. "\r\nX-Key: " .. key .. "\r\n\r\n"
end
