package main

import (
	"github.com/hibiken/asynq/internal/base"
	"github.com/hibiken/asynq/internal/rdb"
)

// storedTask is what rdb tells about one task; next_process_at is null for Go's zero time.
type storedTask struct {
	Message       *message `json:"message"`
	State         string   `json:"state"`
	NextProcessAt *instant `json:"next_process_at"`
	Result        []byte   `json:"result"`
}

func fromTaskInfo(info *base.TaskInfo) storedTask {
	task := storedTask{Message: fromMessage(info.Message), State: info.State.String(), Result: info.Result}
	if !info.NextProcessAt.IsZero() {
		next := fromTime(info.NextProcessAt)
		task.NextProcessAt = &next
	}
	return task
}

type stats struct {
	Queue          string `json:"queue"`
	MemoryUsage    int64  `json:"memory_usage"`
	Paused         bool   `json:"paused"`
	Size           int    `json:"size"`
	Groups         int    `json:"groups"`
	Pending        int    `json:"pending"`
	Active         int    `json:"active"`
	Scheduled      int    `json:"scheduled"`
	Retry          int    `json:"retry"`
	Archived       int    `json:"archived"`
	Completed      int    `json:"completed"`
	Aggregating    int    `json:"aggregating"`
	Processed      int    `json:"processed"`
	Failed         int    `json:"failed"`
	ProcessedTotal int    `json:"processed_total"`
	FailedTotal    int    `json:"failed_total"`
	LatencyNS      int64  `json:"latency_ns"`
	TimestampNS    int64  `json:"timestamp_ns"`
}

func registerBrokerInspection() {
	onBroker("current_stats", func(b broker, args onQueue) (any, error) {
		s, err := b.CurrentStats(args.Queue)
		if err != nil {
			return nil, err
		}
		return stats{
			Queue: s.Queue, MemoryUsage: s.MemoryUsage, Paused: s.Paused, Size: s.Size, Groups: s.Groups, Pending: s.Pending,
			Active: s.Active, Scheduled: s.Scheduled, Retry: s.Retry, Archived: s.Archived, Completed: s.Completed,
			Aggregating: s.Aggregating, Processed: s.Processed, Failed: s.Failed, ProcessedTotal: s.ProcessedTotal,
			FailedTotal: s.FailedTotal, LatencyNS: s.Latency.Nanoseconds(), TimestampNS: s.Timestamp.UnixNano(),
		}, nil
	})
	onBroker("historical_stats", func(b broker, args onQueue) (any, error) {
		days, err := b.HistoricalStats(args.Queue, args.Days)
		if err != nil {
			return nil, err
		}
		result := []map[string]any{}
		for _, d := range days {
			result = append(result, map[string]any{"day": d.Time.UTC().Format("2006-01-02"), "processed": d.Processed, "failed": d.Failed})
		}
		return result, nil
	})
	onBroker("all_queues", func(b broker, _ at) (any, error) { return b.AllQueues() })
	onBroker("get_task_info", func(b broker, args onQueue) (any, error) {
		info, err := b.GetTaskInfo(args.Queue, args.ID)
		if err != nil {
			return nil, err
		}
		return fromTaskInfo(info), nil
	})
	registerLists()
	registerChanges()
}

func registerLists() {
	lists := map[string]func(broker, onQueue) ([]*base.TaskInfo, error){
		"list_pending":   func(b broker, a onQueue) ([]*base.TaskInfo, error) { return b.ListPending(a.Queue, a.pagination()) },
		"list_active":    func(b broker, a onQueue) ([]*base.TaskInfo, error) { return b.ListActive(a.Queue, a.pagination()) },
		"list_scheduled": func(b broker, a onQueue) ([]*base.TaskInfo, error) { return b.ListScheduled(a.Queue, a.pagination()) },
		"list_retry":     func(b broker, a onQueue) ([]*base.TaskInfo, error) { return b.ListRetry(a.Queue, a.pagination()) },
		"list_archived":  func(b broker, a onQueue) ([]*base.TaskInfo, error) { return b.ListArchived(a.Queue, a.pagination()) },
		"list_completed": func(b broker, a onQueue) ([]*base.TaskInfo, error) { return b.ListCompleted(a.Queue, a.pagination()) },
		"list_aggregating": func(b broker, a onQueue) ([]*base.TaskInfo, error) {
			return b.ListAggregating(a.Queue, a.Group, a.pagination())
		},
	}
	for name, list := range lists {
		onBroker(name, func(b broker, args onQueue) (any, error) {
			infos, err := list(b, args)
			if err != nil {
				return nil, err
			}
			result := []storedTask{}
			for _, info := range infos {
				result = append(result, fromTaskInfo(info))
			}
			return result, nil
		})
	}
	onBroker("list_servers", func(b broker, _ at) (any, error) {
		infos, err := b.ListServers()
		result := []serverInfo{}
		for _, info := range infos {
			result = append(result, fromServerInfo(info))
		}
		return result, err
	})
	onBroker("list_workers", func(b broker, _ at) (any, error) {
		infos, err := b.ListWorkers()
		result := []workerInfo{}
		for _, info := range infos {
			result = append(result, fromWorkerInfo(info))
		}
		return result, err
	})
}

// pagination is everything on one page when no size is given.
func (a onQueue) pagination() rdb.Pagination {
	if a.Size == 0 {
		return rdb.Pagination{Size: 1_000_000, Page: 0}
	}
	return rdb.Pagination{Size: a.Size, Page: a.Page}
}

func registerChanges() {
	byTask := map[string]func(broker, onQueue) error{
		"run_task":            func(b broker, a onQueue) error { return b.RunTask(a.Queue, a.ID) },
		"archive_task":        func(b broker, a onQueue) error { return b.ArchiveTask(a.Queue, a.ID) },
		"delete_task":         func(b broker, a onQueue) error { return b.DeleteTask(a.Queue, a.ID) },
		"update_task_payload": func(b broker, a onQueue) error { return b.UpdateTaskPayload(a.Queue, a.ID, a.Payload) },
		"remove_queue":        func(b broker, a onQueue) error { return b.RemoveQueue(a.Queue, a.Force) },
	}
	for name, change := range byTask {
		onBroker(name, func(b broker, args onQueue) (any, error) { return nil, change(b, args) })
	}
	byState := map[string]func(broker, onQueue) (int64, error){
		"run_all_scheduled":       func(b broker, a onQueue) (int64, error) { return b.RunAllScheduledTasks(a.Queue) },
		"run_all_retry":           func(b broker, a onQueue) (int64, error) { return b.RunAllRetryTasks(a.Queue) },
		"run_all_archived":        func(b broker, a onQueue) (int64, error) { return b.RunAllArchivedTasks(a.Queue) },
		"run_all_aggregating":     func(b broker, a onQueue) (int64, error) { return b.RunAllAggregatingTasks(a.Queue, a.Group) },
		"archive_all_pending":     func(b broker, a onQueue) (int64, error) { return b.ArchiveAllPendingTasks(a.Queue) },
		"archive_all_scheduled":   func(b broker, a onQueue) (int64, error) { return b.ArchiveAllScheduledTasks(a.Queue) },
		"archive_all_retry":       func(b broker, a onQueue) (int64, error) { return b.ArchiveAllRetryTasks(a.Queue) },
		"archive_all_aggregating": func(b broker, a onQueue) (int64, error) { return b.ArchiveAllAggregatingTasks(a.Queue, a.Group) },
		"delete_all_pending":      func(b broker, a onQueue) (int64, error) { return b.DeleteAllPendingTasks(a.Queue) },
		"delete_all_scheduled":    func(b broker, a onQueue) (int64, error) { return b.DeleteAllScheduledTasks(a.Queue) },
		"delete_all_retry":        func(b broker, a onQueue) (int64, error) { return b.DeleteAllRetryTasks(a.Queue) },
		"delete_all_archived":     func(b broker, a onQueue) (int64, error) { return b.DeleteAllArchivedTasks(a.Queue) },
		"delete_all_completed":    func(b broker, a onQueue) (int64, error) { return b.DeleteAllCompletedTasks(a.Queue) },
		"delete_all_aggregating":  func(b broker, a onQueue) (int64, error) { return b.DeleteAllAggregatingTasks(a.Queue, a.Group) },
	}
	for name, change := range byState {
		onBroker(name, func(b broker, args onQueue) (any, error) { return change(b, args) })
	}
}
