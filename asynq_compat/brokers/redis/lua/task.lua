-- task: one task as it is stored.
--
-- KEYS  1 task       hash
--       2 scheduled  zset  id -> due instant, Unix seconds
--       3 retry      zset  id -> due instant, Unix seconds
-- ARGV  1 task_id
-- Gives message, state, due instant, result (each nil where there is none); nothing at all when there is no such task
-- Cost  O(log size)
local task, scheduled, retry = KEYS[1], KEYS[2], KEYS[3]
local task_id = ARGV[1]

if redis.call("EXISTS", task) == 0 then
  return {}
end
local message, state, result = unpack(redis.call("HMGET", task, "msg", "state", "result"))
local due = false
if state == "scheduled" or state == "retry" then
  due = redis.call("ZSCORE", state == "retry" and retry or scheduled, task_id)
end
return {message, state, due, result}
