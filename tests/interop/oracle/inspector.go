package main

import (
	"errors"
	"reflect"
	"time"
	"unsafe"

	"github.com/hibiken/asynq"
	"github.com/hibiken/asynq/internal/rdb"
	"github.com/hibiken/asynq/internal/timeutil"
)

const pageSize = 1000

type inspectArgs struct {
	Redis   string `json:"redis"`
	Queue   string `json:"queue"`
	ID      string `json:"task_id"`
	Group   string `json:"group"`
	Payload []byte `json:"payload"`
	Force   bool   `json:"force"`
	Days    int    `json:"days"`
	State   string `json:"state"`
	Page    *int   `json:"page"`
	Size    *int   `json:"size"`
	NowNS   int64  `json:"now_ns"`
}

// pretend lets an inspector believe that it is another time.
func pretend(i *asynq.Inspector, nowNS int64) {
	hidden := reflect.ValueOf(i).Elem().FieldByName("rdb")
	(*rdb.RDB)(unsafe.Pointer(hidden.Pointer())).SetClock(timeutil.NewSimulatedClock(time.Unix(0, nowNS)))
}

func (a inspectArgs) listOptions() []asynq.ListOption {
	opts := []asynq.ListOption{}
	if a.Size != nil {
		opts = append(opts, asynq.PageSize(*a.Size))
	}
	if a.Page != nil {
		opts = append(opts, asynq.Page(*a.Page))
	}
	return opts
}

func listPage(i *asynq.Inspector, a inspectArgs) (any, error) {
	lists := map[string]func(string, ...asynq.ListOption) ([]*asynq.TaskInfo, error){
		"pending": i.ListPendingTasks, "active": i.ListActiveTasks, "scheduled": i.ListScheduledTasks, "retry": i.ListRetryTasks,
		"archived": i.ListArchivedTasks, "completed": i.ListCompletedTasks,
		"aggregating": func(queue string, opts ...asynq.ListOption) ([]*asynq.TaskInfo, error) {
			return i.ListAggregatingTasks(queue, a.Group, opts...)
		},
	}
	infos, err := lists[a.State](a.Queue, a.listOptions()...)
	result := []taskInfo{}
	for _, info := range infos {
		result = append(result, fromInfo(info))
	}
	return result, err
}

// listAll reads every page.
func listAll(list func(opts ...asynq.ListOption) ([]*asynq.TaskInfo, error)) ([]taskInfo, error) {
	result := []taskInfo{}
	for page := 1; ; page++ {
		infos, err := list(asynq.PageSize(pageSize), asynq.Page(page))
		if err != nil {
			return nil, err
		}
		for _, info := range infos {
			result = append(result, fromInfo(info))
		}
		if len(infos) < pageSize {
			return result, nil
		}
	}
}

func dumpTasks(i *asynq.Inspector, queue string) (map[string]any, error) {
	lists := map[string]func(string, ...asynq.ListOption) ([]*asynq.TaskInfo, error){
		"pending": i.ListPendingTasks, "active": i.ListActiveTasks, "scheduled": i.ListScheduledTasks, "retry": i.ListRetryTasks,
		"archived": i.ListArchivedTasks, "completed": i.ListCompletedTasks,
	}
	tasks := map[string]any{}
	for state, list := range lists {
		infos, err := listAll(func(opts ...asynq.ListOption) ([]*asynq.TaskInfo, error) { return list(queue, opts...) })
		if err != nil {
			return nil, err
		}
		tasks[state] = infos
	}
	groups, err := i.Groups(queue)
	if err != nil {
		return nil, err
	}
	grouped := map[string]any{}
	for _, g := range groups {
		infos, err := listAll(func(opts ...asynq.ListOption) ([]*asynq.TaskInfo, error) {
			return i.ListAggregatingTasks(queue, g.Group, opts...)
		})
		if err != nil {
			return nil, err
		}
		grouped[g.Group] = infos
	}
	tasks["aggregating"] = grouped
	return tasks, nil
}

func queueInfo(i *asynq.Inspector, queue string) (any, error) {
	q, err := i.GetQueueInfo(queue)
	if err != nil {
		return nil, err
	}
	return stats{
		Queue: q.Queue, MemoryUsage: q.MemoryUsage, Paused: q.Paused, Size: q.Size, Groups: q.Groups, Pending: q.Pending,
		Active: q.Active, Scheduled: q.Scheduled, Retry: q.Retry, Archived: q.Archived, Completed: q.Completed,
		Aggregating: q.Aggregating, Processed: q.Processed, Failed: q.Failed, ProcessedTotal: q.ProcessedTotal,
		FailedTotal: q.FailedTotal, LatencyNS: q.Latency.Nanoseconds(), TimestampNS: q.Timestamp.UnixNano(),
	}, nil
}

func dumpServers(i *asynq.Inspector) (any, error) {
	infos, err := i.Servers()
	result := []map[string]any{}
	for _, s := range infos {
		workers := []map[string]any{}
		for _, w := range s.ActiveWorkers {
			workers = append(workers, map[string]any{
				"task_id": w.TaskID, "task_type": w.TaskType, "task_payload": w.TaskPayload, "queue": w.Queue,
				"start_time": fromTime(w.Started), "deadline": fromTime(w.Deadline),
			})
		}
		result = append(result, map[string]any{
			"id": s.ID, "host": s.Host, "pid": s.PID, "concurrency": s.Concurrency, "queues": s.Queues,
			"strict_priority": s.StrictPriority, "start_time": fromTime(s.Started), "status": s.Status, "active_workers": workers,
		})
	}
	return result, err
}

func dump(i *asynq.Inspector, _ inspectArgs) (any, error) {
	names, err := i.Queues()
	if err != nil {
		return nil, err
	}
	queues := map[string]any{}
	for _, name := range names {
		info, err := queueInfo(i, name)
		if err != nil {
			return nil, err
		}
		tasks, err := dumpTasks(i, name)
		if err != nil {
			return nil, err
		}
		queues[name] = map[string]any{"info": info, "tasks": tasks}
	}
	servers, err := dumpServers(i)
	return map[string]any{"queues": queues, "servers": servers}, err
}

func onInspector(name string, run func(*asynq.Inspector, inspectArgs) (any, error)) {
	register("inspector."+name, func(args inspectArgs) (result any, err error) {
		opt, err := connOpt(args.Redis)
		if err != nil {
			return nil, err
		}
		inspector := asynq.NewInspector(opt)
		defer func() {
			if failed := inspector.Close(); failed != nil {
				err = errors.Join(err, failed)
			}
		}()
		if args.NowNS != 0 {
			pretend(inspector, args.NowNS)
		}
		return run(inspector, args)
	})
}

func registerInspector() {
	onInspector("dump", dump)
	onInspector("queues", func(i *asynq.Inspector, _ inspectArgs) (any, error) { return i.Queues() })
	onInspector("servers", func(i *asynq.Inspector, _ inspectArgs) (any, error) { return dumpServers(i) })
	onInspector("get_queue_info", func(i *asynq.Inspector, a inspectArgs) (any, error) { return queueInfo(i, a.Queue) })
	onInspector("list_tasks", func(i *asynq.Inspector, a inspectArgs) (any, error) { return dumpTasks(i, a.Queue) })
	onInspector("list", listPage)
	onInspector("groups", func(i *asynq.Inspector, a inspectArgs) (any, error) {
		groups, err := i.Groups(a.Queue)
		result := map[string]int{}
		for _, g := range groups {
			result[g.Group] = g.Size
		}
		return result, err
	})
	onInspector("cluster_key_slot", func(i *asynq.Inspector, a inspectArgs) (any, error) { return i.ClusterKeySlot(a.Queue) })
	onInspector("cluster_nodes", func(i *asynq.Inspector, a inspectArgs) (any, error) {
		nodes, err := i.ClusterNodes(a.Queue)
		result := [][]string{}
		for _, n := range nodes {
			result = append(result, []string{n.ID, n.Addr})
		}
		return result, err
	})
	onInspector("history", func(i *asynq.Inspector, a inspectArgs) (any, error) {
		days, err := i.History(a.Queue, a.Days)
		result := []map[string]any{}
		for _, d := range days {
			result = append(result, map[string]any{
				"queue": d.Queue, "day": d.Date.UTC().Format("2006-01-02"), "date": fromTime(d.Date), "processed": d.Processed,
				"failed": d.Failed,
			})
		}
		return result, err
	})
	onInspector("get_task_info", func(i *asynq.Inspector, a inspectArgs) (any, error) {
		info, err := i.GetTaskInfo(a.Queue, a.ID)
		if err != nil {
			return nil, err
		}
		return fromInfo(info), nil
	})
	changes := map[string]func(*asynq.Inspector, inspectArgs) error{
		"run_task":            func(i *asynq.Inspector, a inspectArgs) error { return i.RunTask(a.Queue, a.ID) },
		"archive_task":        func(i *asynq.Inspector, a inspectArgs) error { return i.ArchiveTask(a.Queue, a.ID) },
		"delete_task":         func(i *asynq.Inspector, a inspectArgs) error { return i.DeleteTask(a.Queue, a.ID) },
		"update_task_payload": func(i *asynq.Inspector, a inspectArgs) error { return i.UpdateTaskPayload(a.Queue, a.ID, a.Payload) },
		"cancel_processing":   func(i *asynq.Inspector, a inspectArgs) error { return i.CancelProcessing(a.ID) },
		"pause_queue":         func(i *asynq.Inspector, a inspectArgs) error { return i.PauseQueue(a.Queue) },
		"unpause_queue":       func(i *asynq.Inspector, a inspectArgs) error { return i.UnpauseQueue(a.Queue) },
		"delete_queue":        func(i *asynq.Inspector, a inspectArgs) error { return i.DeleteQueue(a.Queue, a.Force) },
	}
	for name, change := range changes {
		onInspector(name, func(i *asynq.Inspector, a inspectArgs) (any, error) { return nil, change(i, a) })
	}
	registerBulk()
}

func registerBulk() {
	inQueue := map[string]func(*asynq.Inspector, string) (int, error){
		"run_all_scheduled": (*asynq.Inspector).RunAllScheduledTasks, "run_all_retry": (*asynq.Inspector).RunAllRetryTasks,
		"run_all_archived": (*asynq.Inspector).RunAllArchivedTasks, "archive_all_pending": (*asynq.Inspector).ArchiveAllPendingTasks,
		"archive_all_scheduled": (*asynq.Inspector).ArchiveAllScheduledTasks, "archive_all_retry": (*asynq.Inspector).ArchiveAllRetryTasks,
		"delete_all_pending": (*asynq.Inspector).DeleteAllPendingTasks, "delete_all_scheduled": (*asynq.Inspector).DeleteAllScheduledTasks,
		"delete_all_retry": (*asynq.Inspector).DeleteAllRetryTasks, "delete_all_archived": (*asynq.Inspector).DeleteAllArchivedTasks,
		"delete_all_completed": (*asynq.Inspector).DeleteAllCompletedTasks,
	}
	for name, change := range inQueue {
		onInspector(name, func(i *asynq.Inspector, a inspectArgs) (any, error) { return change(i, a.Queue) })
	}
	inGroup := map[string]func(*asynq.Inspector, string, string) (int, error){
		"run_all_aggregating":     (*asynq.Inspector).RunAllAggregatingTasks,
		"archive_all_aggregating": (*asynq.Inspector).ArchiveAllAggregatingTasks,
		"delete_all_aggregating":  (*asynq.Inspector).DeleteAllAggregatingTasks,
	}
	for name, change := range inGroup {
		onInspector(name, func(i *asynq.Inspector, a inspectArgs) (any, error) { return change(i, a.Queue, a.Group) })
	}
}
