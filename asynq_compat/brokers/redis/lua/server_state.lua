-- server_state: what a server tells about itself and its workers, for a while.
--
-- KEYS  1 server   string  ServerInfo
--       2 workers  hash    task id -> WorkerInfo; absent when there are no workers
-- ARGV  1 ttl_s   seconds
--       2 server_info
--       3... the workers, each: task id, WorkerInfo
-- Gives OK
-- Cost  O(workers)
local server, workers = KEYS[1], KEYS[2]
local ttl_s, server_info = ARGV[1], ARGV[2]

redis.call("SETEX", server, ttl_s, server_info)
redis.call("DEL", workers)
for at = 3, #ARGV - 1, 2 do
  redis.call("HSET", workers, ARGV[at], ARGV[at + 1])
end
redis.call("EXPIRE", workers, ttl_s)
return redis.status_reply("OK")
