-- reclaim_sets: tasks of sets whose time is over wait in their groups again, each since when it came.
--
-- KEYS  1 sets  zset  key of a set -> when its time is over, Unix seconds
-- ARGV  1 now_s  Unix seconds
-- Gives how many sets there were
-- Cost  O(log group) a task
-- Not obvious: a set's key is its group's, a colon and the set's id. The group is not announced in the set of groups, as in Asynq.
local sets = KEYS[1]
local now_s = ARGV[1]

local stale = redis.call("ZRANGEBYSCORE", sets, "-inf", now_s)
for _, set in ipairs(stale) do
  local group = string.match(set, "^(.*):[^:]*$")
  local entries = redis.call("ZRANGE", set, 0, -1, "WITHSCORES")
  for at = 1, #entries, 2 do
    redis.call("ZADD", group, entries[at + 1], entries[at])
  end
  redis.call("DEL", set)
end
redis.call("ZREMRANGEBYSCORE", sets, "-inf", now_s)
return #stale
