-- mend_task: what is wrong with the places in which a task stands, and the remedy.
--
-- KEYS  1 task       hash
--       2 pending    list
--       3 active     list
--       4 lease      zset  id -> lease end, Unix seconds
--       5 scheduled  zset
--       6 retry      zset
--       7 archived   zset
--       8 completed  zset
--       9 groups     set   names of groups with tasks
--       10 sets      zset  keys of the sets that are being aggregated
-- ARGV  1 task_id
--       2 task_prefix    key of a task without its id
--       3 group_prefix   key of a group without its name
--       4 expected       the fault to be mended; empty: only look
--       5 now_s          Unix seconds
--       6 lease_until    Unix seconds: until when a task without a lease gets one
-- Gives the fault, mended if it was the expected one: ghost (named, and no task), no_lease (active without one), lease_alone (not
--       active), leftover (of the archive, named nowhere), stray (named nowhere); empty where there is none
-- Cost  O(pending) + O(active) + O(groups)
-- Not obvious: a group whose set was reclaimed is not announced in the set of groups; a task that stands there stands where it should.
local task, pending, active, lease = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local archived, groups, sets = KEYS[7], KEYS[9], KEYS[10]
local task_id, task_prefix, group_prefix, expected = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local now_s, lease_until = ARGV[5], ARGV[6]

-- include: deleting

local lists, zsets = { pending, active }, { KEYS[5], KEYS[6], archived, KEYS[8] }
for _, name in ipairs(redis.call("SMEMBERS", groups)) do
  zsets[#zsets + 1] = group_prefix .. name
end
for _, key in ipairs(redis.call("ZRANGE", sets, 0, -1)) do
  zsets[#zsets + 1] = key
end
local own_group = redis.call("HGET", task, "group")
if own_group then
  zsets[#zsets + 1] = group_prefix .. own_group
end

local is_active = redis.call("LPOS", active, task_id)
local has_lease = redis.call("ZSCORE", lease, task_id)
local is_named = is_active
for _, key in ipairs(zsets) do
  is_named = is_named or redis.call("ZSCORE", key, task_id)
end
is_named = is_named or redis.call("LPOS", pending, task_id)

local fault = ""
if redis.call("EXISTS", task) == 0 then
  fault = (is_named or has_lease) and "ghost" or ""
elseif not is_named then
  fault = redis.call("HGET", task, "state") == "archived" and "leftover" or "stray"
elseif is_active and not has_lease then
  fault = "no_lease"
elseif has_lease and not is_active then
  fault = "lease_alone"
end
if fault == "" or fault ~= expected then
  return fault
end

if fault == "no_lease" then
  redis.call("ZADD", lease, lease_until, task_id)
  return fault
end
redis.call("ZREM", lease, task_id)
if fault == "ghost" then
  for _, key in ipairs(lists) do
    redis.call("LREM", key, 0, task_id)
  end
  for _, key in ipairs(zsets) do
    redis.call("ZREM", key, task_id)
  end
  for _, name in ipairs(redis.call("SMEMBERS", groups)) do
    if redis.call("EXISTS", group_prefix .. name) == 0 then
      redis.call("SREM", groups, name)
    end
  end
elseif fault == "leftover" or (fault == "stray" and redis.call("HEXISTS", task, "msg") == 0) then
  delete_tasks(task_prefix, { task_id }, true)
elseif fault == "stray" then
  redis.call("HSET", task, "state", "archived")
  redis.call("ZADD", archived, now_s, task_id)
end
return fault
