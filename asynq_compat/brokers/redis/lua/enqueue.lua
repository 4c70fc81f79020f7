-- enqueue: store each task of a batch in its first state, or say why not.
--
-- KEYS  1 pending      list    ids waiting, the right end is next
--       2 scheduled    zset    id -> due instant, Unix seconds
--       3 groups       set     names of groups with tasks
-- ARGV  1 task_prefix   key of a task without its id
--       2 group_prefix  key of a group without its name
--       3 now_ns        Unix nanoseconds
--       4 now_s         Unix seconds
--       5... the tasks, each: kind, id, message, then what its kind adds:
--            0 pending: nothing | 1 scheduled: due instant | 2 grouped: group;
--            kind + 4 is unique: lock key and lock ttl in seconds follow
-- Gives n all n tasks are stored | a list with one code per task: 1 stored | 0 the id is taken | -1 the lock is held
-- Cost  O(1) a task, O(log size) for scheduled and grouped ones
-- Not obvious: a lock taken for a task whose id turns out to be taken stays until its ttl is over, as in Asynq.
local pending, scheduled, groups = KEYS[1], KEYS[2], KEYS[3]
local task_prefix, group_prefix, now_ns, now_s = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
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

local codes, stored, at = {}, 0, 5
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
