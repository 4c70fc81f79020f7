-- leaving: take a task that is not active out of the list or set where it waits; a group that it leaves empty goes too.
-- Uses the script's locals task, groups, task_id, queue_prefix and group_prefix.
-- Gives 1 it is out | 0, -1, -2, -3, -4 as the script does, -5 it has left its group for a set; then nothing has changed.
local function leave(refused_state, occurrences_if_pending)
  if redis.call("EXISTS", task) == 0 then
    return 0
  end
  local state, group = unpack(redis.call("HMGET", task, "state", "group"))
  if state == "active" then
    return -1
  elseif state == refused_state then
    return -2
  elseif not state or (state == "aggregating" and not group) then
    return -4
  end
  local place = state == "aggregating" and group_prefix .. group or queue_prefix .. state
  local removed
  if state == "pending" then
    removed = redis.call("LREM", place, occurrences_if_pending, task_id)
  else
    removed = redis.call("ZREM", place, task_id)
  end
  if removed == 0 then
    return state == "aggregating" and -5 or -3
  end
  if state == "aggregating" and redis.call("ZCARD", place) == 0 then
    redis.call("SREM", groups, group)
  end
  return 1
end
