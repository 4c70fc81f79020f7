-- expired_leases: the tasks of a queue whose lease has ended.
--
-- KEYS  1 lease  zset  id -> lease end, Unix seconds
-- ARGV  1 task_prefix    key of a task without its id
--       2 expired_until  Unix seconds; leases that ended then or before
-- Gives id, message, id, message, ... by lease end; ids without a task are skipped
-- Cost  O(log lease) + O(found)
local lease = KEYS[1]
local task_prefix, expired_until = ARGV[1], ARGV[2]

local found = {}
for _, id in ipairs(redis.call("ZRANGEBYSCORE", lease, "-inf", expired_until)) do
  local message = redis.call("HGET", task_prefix .. id, "msg")
  if message then
    found[#found + 1] = id
    found[#found + 1] = message
  end
end
return found
