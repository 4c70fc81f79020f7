-- list_groups: the groups of a queue, and how many tasks wait in each.
--
-- KEYS  1 groups  set  names of groups with tasks
-- ARGV  1 group_prefix  key of a group without its name
-- Gives name, size, name, size, ...
-- Cost  O(groups)
local groups = KEYS[1]
local group_prefix = ARGV[1]

local found = {}
for at, name in ipairs(redis.call("SMEMBERS", groups)) do
  found[2 * at - 1] = name
  found[2 * at] = redis.call("ZCARD", group_prefix .. name)
end
return found
