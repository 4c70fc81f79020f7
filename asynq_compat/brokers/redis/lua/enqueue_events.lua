-- enqueue_events: a periodic task was enqueued; the newest of its events are kept.
--
-- KEYS  1 history  zset  SchedulerEnqueueEvent -> instant, Unix seconds
-- ARGV  1 now_s      the instant, Unix seconds
--       2 event
--       3 count_max  so many are kept
-- Gives OK
-- Cost  O(log events)
local history = KEYS[1]
local now_s, event, count_max = ARGV[1], ARGV[2], ARGV[3]

redis.call("ZREMRANGEBYRANK", history, 0, -count_max)
redis.call("ZADD", history, now_s, event)
return redis.status_reply("OK")
