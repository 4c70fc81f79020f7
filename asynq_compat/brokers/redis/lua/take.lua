-- take: give out the next tasks of a queue, each under a lease.
--
-- KEYS  1 pending       list    ids waiting, the right end is next
--       2 paused        string  only its existence counts
--       3 active        list    ids being worked on
--       4 lease         zset    id -> lease end, Unix seconds
-- ARGV  1 task_prefix       key of a task without its id
--       2 lease_expires_at  Unix seconds
--       3 count_max         how many at most, up to 1000
--       4 samples_max       of how many, evenly spread, it is told since when they were pending; 0, or at least 2
-- Gives id, message, id, message, ... in the order taken; empty when there is nothing or the queue is paused. With samples_max one more
--       behind them: a list of pending_since, Unix nanoseconds, without those that are not known
-- Cost  O(count) + O(log lease) each
-- Not obvious: an id without a task is taken too, but not given out: it leaves a hash that says active and nothing else.
local pending, paused, active, lease = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local task_prefix, lease_expires_at, count_max, samples_max = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local call = redis.call

local given, size = {}, 0
if call("EXISTS", paused) == 1 then
  return given
end
local waiting = call("LRANGE", pending, -count_max, -1)
if #waiting == 0 then
  return given
end
local since = {}
if samples_max > 0 then
  local samples = math.min(samples_max, #waiting)
  for at = 0, samples - 1 do
    local id = waiting[#waiting - (samples > 1 and math.floor(at * (#waiting - 1) / (samples - 1)) or 0)]
    since[#since + 1] = call("HGET", task_prefix .. id, "pending_since") or nil
  end
end
local taken, leases = {}, {}
for at = #waiting, 1, -1 do
  local id = waiting[at]
  local task = task_prefix .. id
  taken[#taken + 1] = id
  leases[#leases + 1] = lease_expires_at
  leases[#leases + 1] = id
  call("HSET", task, "state", "active")
  call("HDEL", task, "pending_since")
  local message = call("HGET", task, "msg")
  if message then
    given[size + 1] = id
    given[size + 2] = message
    size = size + 2
  end
end
call("LTRIM", pending, 0, -#taken - 1)
call("LPUSH", active, unpack(taken))
call("ZADD", lease, unpack(leases))
if samples_max > 0 and size > 0 then
  given[size + 1] = since
end
return given
