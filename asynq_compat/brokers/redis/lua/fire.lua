-- fire: store the task of a firing of a periodic task, unless that firing was made before.
--
-- KEYS  1 pending      list    ids waiting, the right end is next
--       2 scheduled    zset    id -> due instant, Unix seconds
--       3 groups       set     names of groups with tasks
--       4 fired        zset    "instant code holder" -> instant, Unix seconds; what was made of each firing, and by whom
-- ARGV  1 task_prefix   key of a task without its id
--       2 group_prefix  key of a group without its name
--       3 now_ns        Unix nanoseconds
--       4 now_s         Unix seconds
--       5 instant_s     of the firing, Unix seconds
--       6 holder        who fires
--       7 late_s_max    a firing is made up for until so long behind its instant
--       8 count_max     so many firings are remembered; what lies before all of them is refused
--       9 ttl_s         for how long the last ones are remembered
--       10... the task, as for enqueue
-- Gives 1 stored | 0 the id is taken | -1 the lock is held, each also when this holder made the firing before |
--       2 another has made it | 3 it is too late
-- Cost  O(log firings)
-- Not obvious: no lock is needed, since the firing is noted in the step that stores its task; also a task that was refused is a firing made.
local pending, scheduled, groups, fired = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local task_prefix, group_prefix, now_ns, now_s = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local instant_s, holder, late_s_max, count_max, ttl_s = ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9]

-- include: storing
local made = call("ZRANGEBYSCORE", fired, instant_s, instant_s)[1]
if made then
  local _, code, by = string.match(made, "^(%S+) (%S+) (.*)$")
  return by == holder and tonumber(code) or 2
end
local oldest = call("ZREVRANGE", fired, count_max - 1, count_max - 1, "WITHSCORES")[2]
if tonumber(instant_s) < math.max(now_s - late_s_max, tonumber(oldest or instant_s)) then
  return 3
end
local codes = store_from(10)
local code = type(codes) == "table" and codes[1] or codes
call("ZADD", fired, instant_s, instant_s .. " " .. code .. " " .. holder)
call("ZREMRANGEBYRANK", fired, 0, -count_max - 1)
call("EXPIRE", fired, ttl_s)
return code
