-- settle_done: active tasks ended well and are not kept.
--
-- KEYS  1 active       list    ids being worked on
--       2 lease        zset    id -> lease end, Unix seconds
--       3 day_count    string  processed today
--       4 total_count  string  processed ever
-- ARGV  1 task_prefix           key of a task without its id
--       2 day_count_expires_at  Unix seconds
--       3 total_count_max       the counter starts again at 1 behind it
--       4... the tasks, each (ids all different): id, lock key ("" for none; freed only if it still holds this id)
-- Gives n all n tasks are settled | a list with one code per task: 1 settled | 0 not held
-- Cost  O(active) + O(log lease) a task
local active, lease, day_count, total_count = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local task_prefix, day_count_expires_at, total_count_max = ARGV[1], ARGV[2], tonumber(ARGV[3])

-- include: counting
-- include: picking
-- include: releasing

local ids = pick(4, 2)
local held, are_all_held = release(active, lease, ids)
local tasks = {}
for at, id in ipairs(ids) do
  tasks[at] = task_prefix .. id
end
local are_all_there = are_all_held and redis.call("EXISTS", unpack(tasks)) == #ids
if are_all_there then
  redis.call("DEL", unpack(tasks))
end
local codes, settled = {}, 0
for at, id in ipairs(ids) do
  codes[at] = 0
  if are_all_there or held[at] and redis.call("DEL", tasks[at]) > 0 then
    codes[at] = 1
    settled = settled + 1
    local lock = ARGV[2 * at + 3]
    if lock ~= "" and redis.call("GET", lock) == id then
      redis.call("DEL", lock)
    end
  end
end
count({day_count}, {total_count}, settled, day_count_expires_at, total_count_max)
return settled == #ids and settled or codes
