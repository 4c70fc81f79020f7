-- acquire_token: a task holds a token of a semaphore, if there is one.
--
-- KEYS  1 semaphore  zset  task id -> deadline, Unix seconds
-- ARGV  1 max_tokens
--       2 now_s       Unix seconds
--       3 deadline_s  Unix seconds
--       4 task_id
-- Gives 1 held | 0 all tokens are held by others, or by this task and others
-- Cost  O(log tokens) + O(tokens whose time is over)
-- Not obvious: a token counts for a second behind its deadline. A task that holds one already needs a free place to hold it longer.
local semaphore = KEYS[1]
local max_tokens, now_s, deadline_s, task_id = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]

redis.call("ZREMRANGEBYSCORE", semaphore, "-inf", now_s - 1)
if redis.call("ZCARD", semaphore) >= max_tokens then
  return 0
end
redis.call("ZADD", semaphore, deadline_s, task_id)
return 1
