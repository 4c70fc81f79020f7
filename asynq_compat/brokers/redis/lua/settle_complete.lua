-- settle_complete: active tasks ended well and are kept for a while.
--
-- KEYS  1 active       list    ids being worked on
--       2 lease        zset    id -> lease end, Unix seconds
--       3 day_count    string  processed today
--       4 total_count  string  processed ever
--       5 completed    zset    id -> when it is to be deleted, Unix seconds
-- ARGV  1 task_prefix           key of a task without its id
--       2 day_count_expires_at  Unix seconds
--       3 total_count_max       the counter starts again at 1 behind it
--       4... the tasks, each (ids all different): id, lock key ("" for none; freed only if it still holds this id), message, delete_at
-- Gives n all n tasks are settled | a list with one code per task: 1 settled | 0 not held | -1 it is completed already
-- Cost  O(active) + O(log completed) a task
-- Not obvious: one that is completed already has left the active list and its lease, and its entry has the new instant.
local active, lease, day_count, total_count, completed = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local task_prefix, day_count_expires_at, total_count_max = ARGV[1], ARGV[2], tonumber(ARGV[3])

-- include: counting
-- include: picking
-- include: releasing

local ids = pick(4, 4)
local held = release(active, lease, ids)
local codes, settled = {}, 0
for at, id in ipairs(ids) do
  local lock, message, delete_at = ARGV[4 * at + 1], ARGV[4 * at + 2], ARGV[4 * at + 3]
  codes[at] = 0
  if held[at] then
    codes[at] = -1
    if redis.call("ZADD", completed, delete_at, id) == 1 then
      codes[at] = 1
      settled = settled + 1
      redis.call("HSET", task_prefix .. id, "msg", message, "state", "completed")
      if lock ~= "" and redis.call("GET", lock) == id then
        redis.call("DEL", lock)
      end
    end
  end
end
count({day_count}, {total_count}, settled, day_count_expires_at, total_count_max)
return settled == #ids and settled or codes
