-- scheduler_entries: the periodic tasks of a scheduler, for a while, in place of those before.
--
-- KEYS  1 scheduler  list  SchedulerEntries, the last one first
-- ARGV  1 ttl_s  seconds
--       2... the entries
-- Gives OK
-- Cost  O(entries)
local scheduler = KEYS[1]
local ttl_s = ARGV[1]

redis.call("DEL", scheduler)
for at = 2, #ARGV do
  redis.call("LPUSH", scheduler, ARGV[at])
end
redis.call("EXPIRE", scheduler, ttl_s)
return redis.status_reply("OK")
