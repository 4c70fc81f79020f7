-- deleting: tasks are gone; the uniqueness lock that a hash names is free if it holds this id.
local function delete_tasks(task_prefix, ids, frees_locks)
  if #ids == 0 then
    return
  end
  local tasks = {}
  for at, id in ipairs(ids) do
    tasks[at] = task_prefix .. id
    if frees_locks then
      local lock = redis.call("HGET", tasks[at], "unique_key")
      if lock and lock ~= "" and redis.call("GET", lock) == id then
        redis.call("DEL", lock)
      end
    end
  end
  redis.call("DEL", unpack(tasks))
end
