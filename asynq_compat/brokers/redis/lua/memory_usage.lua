-- memory_usage: about how many bytes the tasks of a queue take, by sampling.
--
-- KEYS  1 active     list
--       2 pending    list
--       3 scheduled  zset
--       4 retry      zset
--       5 archived   zset
--       6 completed  zset
--       7 groups     set   names of groups with tasks
-- ARGV  1 task_prefix       key of a task without its id
--       2 group_prefix      key of a group without its name
--       3 task_sample_max   tasks looked at in each list or set
--       4 group_sample_max  groups looked at
-- Gives bytes: the mean of each sample times the size, and the lists and sets themselves (without those of groups)
-- Cost  O(samples) + O(groups)
-- Not obvious: an id without a task counts as 0 bytes; Asynq's script fails there.
local groups = KEYS[7]
local task_prefix, group_prefix = ARGV[1], ARGV[2]
local task_sample_max, group_sample_max = tonumber(ARGV[3]), tonumber(ARGV[4])

local function usage(key)
  return redis.call("MEMORY", "USAGE", key) or 0
end

local function usage_of(ids)
  local bytes = 0
  for _, id in ipairs(ids) do
    bytes = bytes + usage(task_prefix .. id)
  end
  return bytes
end

local bytes = 0
for at = 1, 6 do
  local key, is_list = KEYS[at], at < 3
  local ids = redis.call(is_list and "LRANGE" or "ZRANGE", key, 0, task_sample_max - 1)
  if #ids > 0 then
    bytes = bytes + usage_of(ids) / #ids * redis.call(is_list and "LLEN" or "ZCARD", key)
  end
  bytes = bytes + usage(key)
end
local grouped, sampled, sampled_bytes = 0, 0, 0
for at, name in ipairs(redis.call("SMEMBERS", groups)) do
  local group = group_prefix .. name
  grouped = grouped + redis.call("ZCARD", group)
  if at <= group_sample_max then
    local ids = redis.call("ZRANGE", group, 0, task_sample_max - 1)
    sampled = sampled + #ids
    sampled_bytes = sampled_bytes + usage_of(ids)
  end
end
if sampled > 0 then
  bytes = bytes + sampled_bytes / sampled * grouped
end
return bytes
