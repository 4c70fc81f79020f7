-- settle_retry: active tasks failed and run again later.
--
-- KEYS  1 active        list    ids being worked on
--       2 lease         zset    id -> lease end, Unix seconds
--       3 day_count     string  processed today
--       4 total_count   string  processed ever
--       5 day_failed    string  failed today
--       6 total_failed  string  failed ever
--       7 retry         zset    id -> due instant, Unix seconds
-- ARGV  1 task_prefix           key of a task without its id
--       2 day_count_expires_at  Unix seconds
--       3 total_count_max       the counters start again at 1 behind it
--       4... the tasks, each (ids all different): id, message, retry_at, is_failure ("1" counts, "0" does not)
-- Gives n all n tasks are settled | a list with one code per task: 1 settled | 0 not held
-- Cost  O(active) + O(log retry) a task
-- Not obvious: the uniqueness lock is kept.
local active, lease, day_count, total_count = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local day_failed, total_failed, retry = KEYS[5], KEYS[6], KEYS[7]
local task_prefix, day_count_expires_at, total_count_max = ARGV[1], ARGV[2], tonumber(ARGV[3])

-- include: counting
-- include: picking
-- include: releasing

local ids = pick(4, 4)
local held = release(active, lease, ids)
local codes, settled, failures = {}, 0, 0
for at, id in ipairs(ids) do
  local message, retry_at, is_failure = ARGV[4 * at + 1], ARGV[4 * at + 2], ARGV[4 * at + 3]
  codes[at] = 0
  if held[at] then
    codes[at] = 1
    settled = settled + 1
    redis.call("ZADD", retry, retry_at, id)
    redis.call("HSET", task_prefix .. id, "msg", message, "state", "retry")
    if is_failure == "1" then
      failures = failures + 1
    end
  end
end
count({day_count, day_failed}, {total_count, total_failed}, failures, day_count_expires_at, total_count_max)
return settled == #ids and settled or codes
