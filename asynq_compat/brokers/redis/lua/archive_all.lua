-- archive_all: the next slice of the tasks that wait in one list or set goes to the archive; messages and counters stay.
--
-- KEYS  1 place     list or zset  ids that wait
--       2 archived  zset          id -> when it was archived, Unix seconds
--       3 groups    set           names of groups with tasks
-- ARGV  1 task_prefix       key of a task without its id
--       2 count_max         size of the slice, at most 4000
--       3 group             name of the group that the set is; "" for none
--       4 is_list           "1" a list, "0" a zset
--       5 now_s             Unix seconds, the same for all slices
--       6 archived_before   what was archived at this Unix second or before leaves the archive
--       7 archive_size_max  what is beyond it leaves the archive, oldest first; one less than it remains
-- Gives how many; less than count_max when no more wait
-- Cost  O(count_max * log size)
-- Not obvious: the hashes of what leaves the archive stay, as in Asynq.
local place, archived, groups = KEYS[1], KEYS[2], KEYS[3]
local task_prefix, count_max, group, is_list = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4] == "1"
local now_s, archived_before, archive_size_max = ARGV[5], ARGV[6], ARGV[7]

-- include: slicing

local ids = first_of(place, is_list, count_max)
for _, id in ipairs(ids) do
  redis.call("ZADD", archived, now_s, id)
  redis.call("HSET", task_prefix .. id, "state", "archived")
end
redis.call("ZREMRANGEBYSCORE", archived, "-inf", archived_before)
redis.call("ZREMRANGEBYRANK", archived, 0, -archive_size_max)
leave_all(place, is_list, ids)
if group ~= "" and #ids < count_max then
  redis.call("SREM", groups, group)
end
return #ids
