-- forward_due: tasks whose time has come wait for a worker again, or in their group.
--
-- KEYS  1 scheduled  zset  id -> due instant, Unix seconds
--       2 retry      zset  id -> due instant, Unix seconds
--       3 pending    list  ids waiting, the right end is next
-- ARGV  1 task_prefix   key of a task without its id
--       2 group_prefix  key of a group without its name
--       3 now_s         Unix seconds
--       4 now_ns        Unix nanoseconds
--       5 count_max     how many of each set at most
-- Gives how many moved, whether there may be more (1 or 0)
-- Cost  O(log size) a task
-- Not obvious: what is scheduled goes first, all of it, so retry is left alone while there may be more.
-- A group that gets its task back is not announced in the set of groups, as in Asynq.
local scheduled, retry, pending = KEYS[1], KEYS[2], KEYS[3]
local task_prefix, group_prefix, now_s, now_ns, count_max = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])

local function forward(source)
  local ids = redis.call("ZRANGEBYSCORE", source, "-inf", now_s, "LIMIT", 0, count_max)
  for _, id in ipairs(ids) do
    local task = task_prefix .. id
    local group = redis.call("HGET", task, "group")
    if group and group ~= "" then
      redis.call("ZADD", group_prefix .. group, now_s, id)
      redis.call("ZREM", source, id)
      redis.call("HSET", task, "state", "aggregating")
    else
      redis.call("LPUSH", pending, id)
      redis.call("ZREM", source, id)
      redis.call("HSET", task, "state", "pending", "pending_since", now_ns)
    end
  end
  return #ids
end

local moved = forward(scheduled)
if moved == count_max then
  return {moved, 1}
end
local retried = forward(retry)
return {moved + retried, retried == count_max and 1 or 0}
