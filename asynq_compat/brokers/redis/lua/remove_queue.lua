-- remove_queue: an empty queue is gone; one that may be emptied loses the next slice of its tasks first.
--
-- KEYS  1 pending    list
--       2 active     list
--       3 scheduled  zset
--       4 retry      zset
--       5 archived   zset
--       6 lease      zset
-- ARGV  1 task_prefix  key of a task without its id
--       2 count_max    size of the slice, at most 4000; 0 when nothing may be deleted
-- Gives how many tasks were deleted; less than count_max, or 0, when the queue is gone | -1 it is not empty | -2 a task is active;
--       then nothing has changed
-- Cost  O(count_max)
-- Not obvious: as in Asynq, completed tasks, groups, the pause, counters and locks stay, and no lock is freed.
local places, active = { KEYS[1], KEYS[3], KEYS[4], KEYS[5] }, KEYS[2]
local keys = KEYS
local task_prefix, count_max = ARGV[1], tonumber(ARGV[2])

-- include: slicing
-- include: deleting

local active_size = redis.call("LLEN", active)
if count_max == 0 then
  local size = active_size + redis.call("LLEN", places[1])
  for at = 2, 4 do
    size = size + redis.call("ZCARD", places[at])
  end
  if size > 0 then
    return -1
  end
elseif active_size > 0 then
  return -2
end
local count = 0
for at, place in ipairs(places) do
  if count < count_max then
    local ids = first_of(place, at == 1, count_max - count)
    delete_tasks(task_prefix, ids, false)
    leave_all(place, at == 1, ids)
    count = count + #ids
  end
end
if count < count_max or count_max == 0 then
  redis.call("DEL", unpack(keys))
end
return count
