-- queue_stats: how much a queue holds.
--
-- KEYS  1 pending        list
--       2 active         list
--       3 scheduled      zset
--       4 retry          zset
--       5 archived       zset
--       6 completed      zset
--       7 day_count      string  processed today
--       8 day_failed     string  failed today
--       9 total_count    string  processed ever
--       10 total_failed  string  failed ever
--       11 paused        string  only its existence counts
--       12 groups        set     names of groups with tasks
-- ARGV  1 task_prefix   key of a task without its id
--       2 group_prefix  key of a group without its name
-- Gives sizes of keys 1 to 6, values of keys 7 to 10 (nil where there is none), 1 or 0 for paused, the next pending task's
--       pending_since (nil where there is none), number of groups, tasks in them
-- Cost  O(groups)
local pending, paused, groups = KEYS[1], KEYS[11], KEYS[12]
local task_prefix, group_prefix = ARGV[1], ARGV[2]

local answer = {}
for at = 1, 6 do
  answer[at] = redis.call(at < 3 and "LLEN" or "ZCARD", KEYS[at])
end
for at = 7, 10 do
  answer[at] = redis.call("GET", KEYS[at])
end
answer[11] = redis.call("EXISTS", paused)
local next_id = redis.call("LRANGE", pending, -1, -1)[1]
answer[12] = next_id and redis.call("HGET", task_prefix .. next_id, "pending_since") or false
local names = redis.call("SMEMBERS", groups)
answer[13] = #names
answer[14] = 0
for _, name in ipairs(names) do
  answer[14] = answer[14] + redis.call("ZCARD", group_prefix .. name)
end
return answer
