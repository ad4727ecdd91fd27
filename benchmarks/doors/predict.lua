-- Rows for a prediction route, as wrk's script:
-- POOL KIND ROWS WINDOW DISTINCT PATH HEADERS OPENING ROW_OPENING ROW_CLOSING CLOSING
-- A row is a ready-made first number and a ready-made rest from the pool; the pairs do not come back within a run,
-- unless DISTINCT is more than 0: then so many rows are sent again and again, by every thread in every window.

local ffi = require("ffi")

local HEADS = 65536 -- k/65536 has its own float32 value, so two rows with the same rest are different rows
local REST_BYTES = 19 * 4 -- what a binary row has left after its first number
local share = 512 -- heads for each thread of each window; then the next takes over

local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

local function text_rests(file, most, closing)
  local found = {}
  for line in io.lines(file) do
    if #found < most then
      found[#found + 1] = line .. closing
    end
  end
  return found
end

local function binary_rests(file, most)
  local found, source = {}, io.open(file, "rb")
  local rest = source:read(REST_BYTES)
  while rest and #found < most do
    found[#found + 1] = rest
    rest = source:read(REST_BYTES)
  end
  source:close()
  return found
end

function init(args)
  local binary = args[2] == "binary"
  rows = tonumber(args[3])
  local distinct = tonumber(args[5])
  local most = distinct > 0 and distinct or math.huge
  opening = "POST " .. args[6] .. " HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port
    .. "\r\n" .. args[7] .. "Content-Length: "
  middle = "\r\n\r\n" .. args[8]
  between = binary and "" or ","
  closing = args[11]
  constant = #args[8] + #closing + (rows - 1) * #between
  rests = binary and binary_rests(args[1], most) or text_rests(args[1], most, args[10])
  heads = {}
  local first = (tonumber(args[4]) * 4 + number) * share
  if distinct > 0 then
    first, share = 0, 1
  end
  for k = 0, share - 1 do
    local value = ((first + k) % HEADS) / HEADS
    heads[k + 1] = binary and ffi.string(ffi.new("float[1]", value), 4) or string.format("%s%.7f", args[9], value)
  end
  rest, head = 0, 1
end

function request()
  local parts, length, at = { opening, "", middle }, constant, 3
  for k = 1, rows do
    rest = rest + 1
    if rest > #rests then
      rest, head = 1, head % share + 1
    end
    parts[at + 1], parts[at + 2], parts[at + 3] = heads[head], rests[rest], k < rows and between or closing
    length = length + #heads[head] + #rests[rest]
    at = at + 3
  end
  parts[2] = tostring(length)
  return table.concat(parts)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"duration_us":%d,"p50_us":%d,"p95_us":%d,"p99_us":%d,'
      .. '"errors":{"status":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d}}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(95), latency:percentile(99),
    errors.status, errors.connect, errors.read, errors.write, errors.timeout))
end
