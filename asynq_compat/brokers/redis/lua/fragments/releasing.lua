-- releasing: take ids, all different, out of the active list and the leases; tell for each whether it was in both,
-- and whether all were.
-- As in Asynq an id that is active but has no lease has left the active list by then, and every occurrence of an id goes.
-- Where each is there just once and has its lease, the ordinary case, a few calls for all of them do the same as two for each.
local function release_together(active, lease, ids)
  local size = redis.call("LLEN", active)
  if #ids == 1 or size < #ids or size > 8 * #ids then
    return false
  end
  local lease_size = redis.call("ZCARD", lease)
  if lease_size > 8 * #ids then
    return false
  end
  local listed, place = redis.call("LRANGE", active, 0, -1), {}
  for at, id in ipairs(listed) do
    place[id] = place[id] and -1 or at
  end
  local are_last = true
  for at, id in ipairs(ids) do
    if not place[id] or place[id] < 0 then
      return false
    end
    are_last = are_last and place[id] == size + 1 - at
  end
  local leased = {}
  for _, id in ipairs(redis.call("ZRANGE", lease, 0, -1)) do
    leased[id] = true
  end
  for _, id in ipairs(ids) do
    if not leased[id] then
      return false
    end
  end
  if are_last then
    redis.call("LTRIM", active, 0, -#ids - 1)
  else
    for _, id in ipairs(ids) do
      redis.call("LREM", active, -1, id)
    end
  end
  if lease_size == #ids then
    redis.call("DEL", lease)
  else
    redis.call("ZREM", lease, unpack(ids))
  end
  return true
end

local function release(active, lease, ids)
  local are_all = release_together(active, lease, ids)
  local held = {}
  for at, id in ipairs(ids) do
    held[at] = are_all or redis.call("LREM", active, 0, id) > 0 and redis.call("ZREM", lease, id) > 0
  end
  return held, are_all
end
