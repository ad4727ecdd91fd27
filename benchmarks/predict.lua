-- Rows for a prediction route: wrk -s predict.lua URL -- POOL ROWS PATH WINDOW DISTINCT HEADERS
-- A row is a ready-made first number and a ready-made rest from the pool; the pairs do not come back within a run,
-- unless DISTINCT is more than 0: then so many rows are sent again and again, by every thread in every window.

local HEADS = 65536 -- k/65536 has its own float32 value, so two rows with the same rest are different rows
local share = 512 -- heads for each thread of each window; then the next takes over

local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(args)
  rows = tonumber(args[2])
  local distinct = tonumber(args[5])
  local key = rows == 1 and '{"features":' or '{"instances":['
  closing = rows == 1 and "}" or "]}"
  opening = "POST " .. args[3] .. " HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port
    .. "\r\n" .. args[6] .. "Content-Type: application/json\r\nContent-Length: "
  middle = "\r\n\r\n" .. key
  constant = #key + #closing
  rests, heads = {}, {}
  for line in io.lines(args[1]) do
    if distinct == 0 or #rests < distinct then
      rests[#rests + 1] = line
    end
  end
  local first = (tonumber(args[4]) * 4 + number) * share
  if distinct > 0 then
    first, share = 0, 1
  end
  for k = 0, share - 1 do
    heads[k + 1] = string.format("[%.7f", ((first + k) % HEADS) / HEADS)
  end
  rest, head = 0, 1
end

function request()
  local parts, length, at = { opening, "", middle }, constant + rows - 1, 3
  for k = 1, rows do
    rest = rest + 1
    if rest > #rests then
      rest, head = 1, head % share + 1
    end
    parts[at + 1], parts[at + 2], parts[at + 3] = heads[head], rests[rest], k < rows and "," or closing
    length = length + #heads[head] + #rests[rest]
    at = at + 3
  end
  parts[2] = tostring(length)
  return table.concat(parts)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"errors":{"status":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d}}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect, errors.read, errors.write, errors.timeout))
end
