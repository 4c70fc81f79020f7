-- delete_all: the next slice of the tasks that wait in one list or set is gone.
--
-- KEYS  1 place   list or zset  ids that wait
--       2 groups  set           names of groups with tasks
-- ARGV  1 task_prefix  key of a task without its id
--       2 count_max    size of the slice, at most 4000
--       3 group        name of the group that the set is; "" for none
--       4 is_list      "1" a list, "0" a zset
-- Gives how many; less than count_max when no more wait
-- Cost  O(count_max * log size)
-- Not obvious: as in Asynq the locks of tasks in a list or a group stay until their time is over.
local place, groups = KEYS[1], KEYS[2]
local task_prefix, count_max, group, is_list = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4] == "1"

-- include: slicing
-- include: deleting

local ids = first_of(place, is_list, count_max)
delete_tasks(task_prefix, ids, group == "" and not is_list)
leave_all(place, is_list, ids)
if group ~= "" and #ids < count_max then
  redis.call("SREM", groups, group)
end
return #ids
