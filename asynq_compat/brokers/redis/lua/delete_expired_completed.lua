-- delete_expired_completed: completed tasks whose retention is over are gone.
--
-- KEYS  1 completed  zset  id -> when it is to be deleted, Unix seconds
-- ARGV  1 task_prefix  key of a task without its id
--       2 now_s        Unix seconds
--       3 count_max    how many at most
-- Gives how many were deleted
-- Cost  O(log completed) a task
local completed = KEYS[1]
local task_prefix, now_s, count_max = ARGV[1], ARGV[2], ARGV[3]

local ids = redis.call("ZRANGEBYSCORE", completed, "-inf", now_s, "LIMIT", 0, count_max)
for _, id in ipairs(ids) do
  redis.call("DEL", task_prefix .. id)
  redis.call("ZREM", completed, id)
end
return #ids
