-- archive_task: a task that is not active goes to the archive; message and counters stay.
--
-- KEYS  1 task      hash
--       2 archived  zset  id -> when it was archived, Unix seconds
--       3 groups    set   names of groups with tasks
-- ARGV  1 task_id
--       2 queue_prefix      key of a state's list or set without the state
--       3 group_prefix      key of a group without its name
--       4 now_s             Unix seconds
--       5 archived_before   what was archived at this Unix second or before leaves the archive
--       6 archive_size_max  what is beyond it leaves the archive, oldest first; one less than it remains
-- Gives 1 done | 0 no such task | -1 it is active | -2 it is archived | -3 it is not where its state says | -4 its hash has
--       no state, or no group to wait in | -5 it stands in a set; other than by 1 nothing has changed
-- Cost  O(pending) or O(log size)
-- Not obvious: the hashes of what leaves the archive stay, as in Asynq, and so does the task's pending_since.
local task, archived, groups = KEYS[1], KEYS[2], KEYS[3]
local task_id, queue_prefix, group_prefix = ARGV[1], ARGV[2], ARGV[3]
local now_s, archived_before, archive_size_max = ARGV[4], ARGV[5], ARGV[6]

-- include: leaving

local left = leave("archived", 1)
if left ~= 1 then
  return left
end
redis.call("ZADD", archived, now_s, task_id)
redis.call("HSET", task, "state", "archived")
redis.call("ZREMRANGEBYSCORE", archived, "-inf", archived_before)
redis.call("ZREMRANGEBYRANK", archived, 0, -archive_size_max)
return 1
