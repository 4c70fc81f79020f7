-- counting: one more, n times over, for counters of a day and totals that go together.
-- The first total decides for all when they start again at 1; Asynq compares it as a double, so within 512 of the limit.
local function count(days, totals, n, day_expires_at, total_max)
  if n == 0 then
    return
  end
  for _, day in ipairs(days) do
    if redis.call("INCRBY", day, n) == n then
      redis.call("EXPIREAT", day, day_expires_at)
    end
  end
  local step = n
  local first = tonumber(redis.call("GET", totals[1]))
  if first and first + n + 4096 >= total_max then
    step = 1
  end
  for _ = 1, n, step do
    local wraps = step == 1 and tonumber(redis.call("GET", totals[1])) == total_max
    for _, total in ipairs(totals) do
      if wraps then
        redis.call("SET", total, 1)
      else
        redis.call("INCRBY", total, step)
      end
    end
  end
end
