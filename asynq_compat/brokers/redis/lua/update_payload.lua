-- update_payload: a scheduled task has another payload.
--
-- KEYS  1 task  hash
-- ARGV  1 message_before  as it was read
--       2 message         with the new payload
-- Gives 1 done | 0 no such task | -1 it is not scheduled | -2 its message is another by now; other than by 1 nothing has changed
-- Cost  O(1)
-- Not obvious: the lock stays that of the old payload, as in Asynq.
local task = KEYS[1]
local message_before, message = ARGV[1], ARGV[2]

if redis.call("EXISTS", task) == 0 then
  return 0
end
local state, stored = unpack(redis.call("HMGET", task, "state", "msg"))
if state ~= "scheduled" then
  return -1
elseif stored ~= message_before then
  return -2
end
redis.call("HSET", task, "msg", message)
return 1
