-- enqueue: store each task of a batch in its first state, or say why not.
--
-- KEYS  1 pending      list    ids waiting, the right end is next
--       2 scheduled    zset    id -> due instant, Unix seconds
--       3 groups       set     names of groups with tasks
-- ARGV  1 task_prefix   key of a task without its id
--       2 group_prefix  key of a group without its name
--       3 now_ns        Unix nanoseconds
--       4 now_s         Unix seconds
--       5... the tasks, each: kind, id, message, then what its kind adds:
--            0 pending: nothing | 1 scheduled: due instant | 2 grouped: group;
--            kind + 4 is unique: lock key and lock ttl in seconds follow
-- Gives n all n tasks are stored | a list with one code per task: 1 stored | 0 the id is taken | -1 the lock is held
-- Cost  O(1) a task, O(log size) for scheduled and grouped ones
-- Not obvious: a lock taken for a task whose id turns out to be taken stays until its ttl is over, as in Asynq.
local pending, scheduled, groups = KEYS[1], KEYS[2], KEYS[3]
local task_prefix, group_prefix, now_ns, now_s = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

-- include: storing
return store_from(5)
