-- settle_requeue: active tasks were not done here and are next in line again; nothing is counted.
--
-- KEYS  1 active   list  ids being worked on
--       2 lease    zset  id -> lease end, Unix seconds
--       3 pending  list  ids waiting, the right end is next
-- ARGV  1 task_prefix  key of a task without its id
--       2... ids, all different; the last is the next to be taken
-- Gives n all n tasks are settled | a list with one code per task: 1 settled | 0 not held
-- Cost  O(active) + O(log lease) a task
local active, lease, pending = KEYS[1], KEYS[2], KEYS[3]
local task_prefix = ARGV[1]

-- include: picking
-- include: releasing

local ids = pick(2, 1)
local held = release(active, lease, ids)
local codes, settled = {}, 0
for at, id in ipairs(ids) do
  codes[at] = 0
  if held[at] then
    codes[at] = 1
    settled = settled + 1
    redis.call("RPUSH", pending, id)
    redis.call("HSET", task_prefix .. id, "state", "pending")
  end
end
return settled == #ids and settled or codes
