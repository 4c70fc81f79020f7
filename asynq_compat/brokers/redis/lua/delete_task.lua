-- delete_task: a task that is not active is gone, and the uniqueness lock that its hash names is free if it holds this id.
--
-- KEYS  1 task    hash
--       2 groups  set  names of groups with tasks
-- ARGV  1 task_id
--       2 queue_prefix  key of a state's list or set without the state
--       3 group_prefix  key of a group without its name
-- Gives 1 done | 0 no such task | -1 it is active | -3 it is not where its state says | -4 its hash has no state, or no
--       group to wait in | -5 it stands in a set; other than by 1 nothing has changed
-- Cost  O(pending) or O(log size)
local task, groups = KEYS[1], KEYS[2]
local task_id, queue_prefix, group_prefix = ARGV[1], ARGV[2], ARGV[3]

-- include: leaving

local left = leave(nil, 0)
if left ~= 1 then
  return left
end
local lock = redis.call("HGET", task, "unique_key")
if lock and lock ~= "" and redis.call("GET", lock) == task_id then
  redis.call("DEL", lock)
end
redis.call("DEL", task)
return 1
