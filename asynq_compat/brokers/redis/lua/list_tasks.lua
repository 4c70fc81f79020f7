-- list_tasks: a page of the tasks in one state.
--
-- KEYS  1 place  list or zset  ids, in a zset with a score
-- ARGV  1 task_prefix  key of a task without its id
--       2 start        index of the first
--       3 stop         index of the last; both may count from the end, as Redis does
--       4 is_list      "1" a list, "0" a zset
-- Gives id, message, result, score, id, ... (each nil where there is none) from start to stop
-- Cost  O(start) + O(found)
local place = KEYS[1]
local task_prefix, start, stop, is_list = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == "1"

local found, size = {}, 0
local entries
if is_list then
  entries = redis.call("LRANGE", place, start, stop)
else
  entries = redis.call("ZRANGE", place, start, stop, "WITHSCORES")
end
for at = 1, #entries, is_list and 1 or 2 do
  local message, result = unpack(redis.call("HMGET", task_prefix .. entries[at], "msg", "result"))
  found[size + 1] = entries[at]
  found[size + 2] = message
  found[size + 3] = result
  found[size + 4] = not is_list and entries[at + 1]
  size = size + 4
end
return found
