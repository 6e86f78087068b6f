-- wrk: one of 1 000 keys a request.
local n = 0
local requests = {}

function init()
  for key = 1, 1000 do
    requests[key] = wrk.format("GET", "/", { ["Host"] = wrk.host, ["X-Key"] = "key-" .. key })
  end
end

function request()
  n = n % 1000 + 1
  return requests[n]
end
