-- run_all: the next slice of the tasks that wait in one set is pending now.
--
-- KEYS  1 place    zset  ids that wait, with a score
--       2 pending  list  ids waiting, the right end is next
--       3 groups   set   names of groups with tasks
-- ARGV  1 task_prefix  key of a task without its id
--       2 count_max    size of the slice, at most 4000
--       3 group        name of the group that the set is; "" for none
-- Gives how many; less than count_max when no more wait
-- Cost  O(count_max * log size)
-- Not obvious: lowest scores first, so they run first; pending_since is not set, as in Asynq.
local place, pending, groups = KEYS[1], KEYS[2], KEYS[3]
local task_prefix, count_max, group = ARGV[1], tonumber(ARGV[2]), ARGV[3]

-- include: slicing

local ids = first_of(place, false, count_max)
if #ids > 0 then
  redis.call("LPUSH", pending, unpack(ids))
end
for _, id in ipairs(ids) do
  redis.call("HSET", task_prefix .. id, "state", "pending")
end
leave_all(place, false, ids)
if group ~= "" and #ids < count_max then
  redis.call("SREM", groups, group)
end
return #ids
