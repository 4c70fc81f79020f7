-- storing: put tasks into their first states, or say why not; each is kind, id, message, then what its kind adds, from one argument on.
-- Uses the script's locals pending, scheduled, groups, task_prefix, group_prefix, now_ns and now_s.
-- Gives n all n tasks are stored | a list with one code per task: 1 stored | 0 the id is taken | -1 the lock is held
local call = redis.call

-- One task as its arguments say, and where the next begins.
local function read(at)
  local kind, id, message = tonumber(ARGV[at]), ARGV[at + 1], ARGV[at + 2]
  local place, extra, lock, ttl_s = kind % 4, nil, nil, nil
  at = at + 3
  if place > 0 then
    extra = ARGV[at]
    at = at + 1
  end
  if kind >= 4 then
    lock, ttl_s = ARGV[at], ARGV[at + 1]
    at = at + 2
  end
  return at, place, id, message, extra, lock, ttl_s
end

-- Ids go to the pending list together, in order.
local waiting = {}
local function wait(id)
  waiting[#waiting + 1] = id
  if #waiting == 1000 then
    call("LPUSH", pending, unpack(waiting))
    waiting = {}
  end
end

local function store(place, task, id, message, extra, lock)
  if place == 2 then
    call("HSET", task, "msg", message, "state", "aggregating", "group", extra)
    call("ZADD", group_prefix .. extra, now_s, id)
    call("SADD", groups, extra)
    return
  end
  if place == 1 then
    call("HSET", task, "msg", message, "state", "scheduled")
    call("ZADD", scheduled, extra, id)
  else
    call("HSET", task, "msg", message, "state", "pending", "pending_since", now_ns)
    wait(id)
  end
  if lock then
    call("HSET", task, "unique_key", lock)
  end
end

local function store_from(at)
  local codes, stored = {}, 0
  while ARGV[at] do
    local place, id, message, extra, lock, ttl_s
    at, place, id, message, extra, lock, ttl_s = read(at)
    local task = task_prefix .. id
    local code = 1
    if lock and not call("SET", lock, id, "NX", "EX", ttl_s) then
      code = -1
    elseif call("EXISTS", task) == 1 then
      code = 0
    else
      store(place, task, id, message, extra, lock)
      stored = stored + 1
    end
    codes[#codes + 1] = code
  end
  if #waiting > 0 then
    call("LPUSH", pending, unpack(waiting))
  end
  return stored == #codes and stored or codes
end
