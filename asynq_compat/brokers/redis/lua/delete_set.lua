-- delete_set: the tasks of a set are gone, since one that stands for them is enqueued.
--
-- KEYS  1 set   zset  id -> when it came into its group
--       2 sets  zset  key of a set -> when its time is over
-- ARGV  1 task_prefix  key of a task without its id
-- Gives how many tasks it had
-- Cost  O(set)
-- Not obvious: the locks of these tasks stay until their ttl is over, and nothing is counted, as in Asynq.
local set, sets = KEYS[1], KEYS[2]
local task_prefix = ARGV[1]

local ids = redis.call("ZRANGE", set, 0, -1)
for _, id in ipairs(ids) do
  redis.call("DEL", task_prefix .. id)
end
redis.call("DEL", set)
redis.call("ZREM", sets, set)
return #ids
