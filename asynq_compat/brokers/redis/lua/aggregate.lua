-- aggregate: a set is made of a group that is full or has waited long enough, and its tasks are given to who asked.
--
-- KEYS  1 group   zset  id -> when it came, Unix seconds
--       2 set     zset  id -> when it came, Unix seconds; new
--       3 sets    zset  key of a set -> when its time is over, Unix seconds
--       4 groups  set   names of groups with tasks
-- ARGV  1 task_prefix  key of a task without its id
--       2 group_name
--       3 size_max     a group is full with so many tasks, and no set has more; 0: no limit
--       4 delay_s      its first task waits at most so long; 0: no limit
--       5 grace_s      no task has come for so long
--       6 now_s        Unix seconds
--       7 expires_at   Unix seconds
-- Gives nil it is not the time | id, message (nil where there is none), id, message, ... by (second, id)
-- Cost  O(log group) a task
-- Not obvious: the group's name goes from the set of groups when that leaves it empty, as in Asynq. A call whose answer was lost comes again
-- and finds its set made: it is given what is in it, no more.
local group, set, sets, groups = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local task_prefix, group_name = ARGV[1], ARGV[2]
local size_max, delay_s, grace_s, now_s = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local expires_at = ARGV[7]

local function given(entries)
  local found = {}
  for at = 1, #entries, 2 do
    found[at] = entries[at]
    found[at + 1] = redis.call("HGET", task_prefix .. entries[at], "msg")
  end
  return found
end

if redis.call("EXISTS", set) == 1 then
  return given(redis.call("ZRANGE", set, 0, -1, "WITHSCORES"))
end
local size = redis.call("ZCARD", group)
if size == 0 then
  return false
end
local first = tonumber(redis.call("ZRANGE", group, 0, 0, "WITHSCORES")[2])
local last = tonumber(redis.call("ZRANGE", group, -1, -1, "WITHSCORES")[2])
local is_full = size_max > 0 and size >= size_max
local is_old = delay_s > 0 and first <= now_s - delay_s
if not is_full and not is_old and last > now_s - grace_s then
  return false
end

local entries = redis.call("ZRANGE", group, 0, size_max - 1, "WITHSCORES")
local count = #entries / 2
for at = 1, #entries, 2 do
  redis.call("ZADD", set, entries[at + 1], entries[at])
end
redis.call("ZREMRANGEBYRANK", group, 0, count - 1)
redis.call("ZADD", sets, expires_at, set)
if count == size then
  redis.call("SREM", groups, group_name)
end
return given(entries)
