-- run_task: a waiting task is pending now.
--
-- KEYS  1 task     hash
--       2 pending  list  ids waiting, the right end is next
--       3 groups   set   names of groups with tasks
-- ARGV  1 task_id
--       2 queue_prefix  key of a state's set without the state
--       3 group_prefix  key of a group without its name
-- Gives 1 done | 0 no such task | -1 it is active | -2 it is pending | -3 it is not where its state says | -4 its hash has
--       no state, or no group to wait in | -5 it stands in a set; other than by 1 nothing has changed
-- Cost  O(log size)
-- Not obvious: pending_since is not set, as in Asynq: nobody knows how long it has waited.
local task, pending, groups = KEYS[1], KEYS[2], KEYS[3]
local task_id, queue_prefix, group_prefix = ARGV[1], ARGV[2], ARGV[3]

-- include: leaving

local left = leave("pending")
if left ~= 1 then
  return left
end
redis.call("LPUSH", pending, task_id)
redis.call("HSET", task, "state", "pending")
return 1
