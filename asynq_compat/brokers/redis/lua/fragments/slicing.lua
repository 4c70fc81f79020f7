-- slicing: a slice of the tasks that wait in a list (from its right end, where the next one is) or in a zset (lowest scores first).
-- What is beyond Lua's stack cannot be passed at once, so a slice is at most 4000 ids long.
local function first_of(place, is_list, count_max)
  if is_list then
    return redis.call("LRANGE", place, -count_max, -1)
  end
  return redis.call("ZRANGE", place, 0, count_max - 1)
end

local function leave_all(place, is_list, ids)
  if #ids == 0 then
    return
  end
  if is_list then
    redis.call("LTRIM", place, 0, -#ids - 1)
  else
    redis.call("ZREMRANGEBYRANK", place, 0, #ids - 1)
  end
end
