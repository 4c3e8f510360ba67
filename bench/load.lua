-- wrk's side of the benchmark: sends the requests of a file and compares every answer.
--
-- Environment:
--   BENCH_REQUESTS  file of lines METHOD <tab> PATH <tab> AUTHORIZATION <tab> BODY
--   BENCH_BODIES    file with the bodies that are right, one a line (absent: see BENCH_PATTERN)
--   BENCH_STATUS    the status that is right
--   BENCH_PATTERN   Lua pattern of a right body, where there is no file of bodies
--   BENCH_FORGET    Lua pattern of what to take out of a body before it is compared
--   BENCH_ANY_ORDER 1: the objects of a body's list may come in any order
--   BENCH_SINGLE    one connection: the n-th answer must be the n-th request's body
--   BENCH_COMPARE   no: bodies are not read, only failures of the connection are counted
--
-- Ends with a line "RESULT requests microseconds failed wrong p50 p90 p99 max" (times in µs).

local requests, bodies, known = {}, {}, {}
local at, asked = 0, 0
local status = tonumber(os.getenv("BENCH_STATUS") or "200")
local pattern = os.getenv("BENCH_PATTERN")
local forget = os.getenv("BENCH_FORGET")
local any_order = os.getenv("BENCH_ANY_ORDER") == "1"
local single = os.getenv("BENCH_SINGLE") == "1"
local threads = {}

wrong = 0
example = ""

function setup(thread)
	table.insert(threads, thread)
end

local function sorted(body)
	local objects = {}
	for object in body:gmatch("{[^{}]*}") do table.insert(objects, object) end
	table.sort(objects)
	return body:match("^[^{]*{[^{]*") .. table.concat(objects)
end

local function essence(body)
	if forget then body = body:gsub(forget, "") end
	return any_order and body:find("^[^{]*{[^{]*{") and sorted(body) or body
end

local function read_requests()
	for line in io.lines(os.getenv("BENCH_REQUESTS")) do
		local method, path, token, body = line:match("^([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)$")
		local headers = { Host = "localhost", Authorization = token }
		if body ~= "" then headers["Content-Type"] = "application/json" end
		table.insert(requests, wrk.format(method, path, headers, body ~= "" and body or nil))
	end
end

local function read_bodies()
	local file = os.getenv("BENCH_BODIES")
	if not file then return end
	for line in io.lines(file) do
		line = essence(line)
		table.insert(bodies, line)
		known[line] = true
	end
end

function init(args)
	read_requests()
	read_bodies()
end

function request()
	asked = at % #requests + 1
	at = at + 1
	return requests[asked]
end

local function is_right(body)
	if pattern then return body:match(pattern) end
	body = essence(body)
	if single and #bodies == #requests then return body == bodies[asked] end
	return known[body]
end

local function compare(code, headers, body)
	if code ~= status or not is_right(body) then
		wrong = wrong + 1
		if example == "" then example = code .. " " .. body:sub(1, 300) end
	end
end

-- wrk calls this function if it is there; looking at a body costs it a copy.
if os.getenv("BENCH_COMPARE") ~= "no" then response = compare end

function done(summary, latency)
	local failed = summary.errors.connect + summary.errors.read + summary.errors.write
		+ summary.errors.timeout
	-- Statuses that are errors, where nobody else has looked at them.
	if not response then failed = failed + summary.errors.status end
	local bad = 0
	for _, thread in ipairs(threads) do
		bad = bad + thread:get("wrong")
		if thread:get("example") ~= "" then io.stderr:write(thread:get("example"), "\n") end
	end
	io.write(string.format("RESULT %d %d %d %d %d %d %d %d\n", summary.requests, summary.duration,
		failed, bad, latency:percentile(50), latency:percentile(90), latency:percentile(99),
		latency.max))
end
