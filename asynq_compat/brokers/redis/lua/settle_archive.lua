-- settle_archive: active tasks failed for good.
--
-- KEYS  1 active        list    ids being worked on
--       2 lease         zset    id -> lease end, Unix seconds
--       3 day_count     string  processed today
--       4 total_count   string  processed ever
--       5 day_failed    string  failed today
--       6 total_failed  string  failed ever
--       7 archived      zset    id -> when it was archived, Unix seconds
-- ARGV  1 task_prefix           key of a task without its id
--       2 day_count_expires_at  Unix seconds
--       3 total_count_max       the counters start again at 1 behind it
--       4 now_s                 Unix seconds
--       5 archived_before       what was archived at this Unix second or before is deleted
--       6 archive_size_max      what is beyond it is deleted, oldest first; one less than it remains
--       7... the tasks, each (ids all different): id, message
-- Gives n all n tasks are settled | a list with one code per task: 1 settled | 0 not held | -1 too many to trim at once
-- Cost  O(active) + O(log archived) a task, O(1) a trimmed task
-- Not obvious: the uniqueness lock is kept. Beyond about 8 000 trimmed at once Lua's stack is full: as in Asynq their hashes
-- are gone then, their entries stay, and the task's hash still says active.
local active, lease, day_count, total_count = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local day_failed, total_failed, archived = KEYS[5], KEYS[6], KEYS[7]
local task_prefix, day_count_expires_at, total_count_max = ARGV[1], ARGV[2], tonumber(ARGV[3])
local now_s, archived_before, archive_size_max = ARGV[4], ARGV[5], ARGV[6]

-- include: counting
-- include: picking
-- include: releasing

local function is_trimmed(ids)
  if #ids == 0 then
    return true
  end
  for _, id in ipairs(ids) do
    redis.call("DEL", task_prefix .. id)
  end
  return (pcall(function()
    redis.call("ZREM", archived, unpack(ids))
  end))
end

local function is_archive_trimmed()
  return is_trimmed(redis.call("ZRANGEBYSCORE", archived, "-inf", archived_before))
    and is_trimmed(redis.call("ZRANGE", archived, 0, -archive_size_max))
end

local ids = pick(7, 2)
local held = release(active, lease, ids)
local codes, settled = {}, 0
for at, id in ipairs(ids) do
  local message = ARGV[2 * at + 6]
  codes[at] = 0
  if held[at] then
    codes[at] = -1
    redis.call("ZADD", archived, now_s, id)
    if is_archive_trimmed() then
      codes[at] = 1
      settled = settled + 1
      redis.call("HSET", task_prefix .. id, "msg", message, "state", "archived")
    end
  end
end
count({day_count, day_failed}, {total_count, total_failed}, settled, day_count_expires_at, total_count_max)
return settled == #ids and settled or codes
