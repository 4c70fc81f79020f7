package main

import (
	"fmt"
	"time"

	"github.com/hibiken/asynq"
	"github.com/hibiken/asynq/internal/base"
	"github.com/hibiken/asynq/internal/rdb"
)

type periodic struct {
	Spec    string   `json:"spec"`
	Type    string   `json:"type"`
	Payload []byte   `json:"payload"`
	Options []option `json:"options"`
}

type schedulerArgs struct {
	Name        string     `json:"name"`
	Redis       string     `json:"redis"`
	Zone        string     `json:"zone"`
	HeartbeatNS int64      `json:"heartbeat_interval_ns"`
	Entries     []periodic `json:"entries"`
}

type entryArgs struct {
	EntryID string `json:"entry_id"`
	Size    int    `json:"size"`
	Page    int    `json:"page"`
	Redis   string `json:"redis"`
}

var schedulers = map[string]*asynq.Scheduler{}

func init() {
	register("scheduler.start", startScheduler)
	register("scheduler.shutdown", func(args schedulerArgs) (any, error) {
		scheduler := schedulers[args.Name]
		if scheduler == nil {
			return nil, fmt.Errorf("oracle: no scheduler %q", args.Name)
		}
		scheduler.Shutdown()
		return nil, nil
	})
	onInspector("scheduler_entries", func(i *asynq.Inspector, _ inspectArgs) (any, error) {
		entries, err := i.SchedulerEntries()
		result := []schedulerEntry{}
		for _, e := range entries {
			options := []string{}
			for _, o := range e.Opts {
				options = append(options, o.String())
			}
			result = append(result, schedulerEntry{
				ID: e.ID, Spec: e.Spec, TaskType: e.Task.Type(), TaskPayload: e.Task.Payload(), EnqueueOptions: options,
				NextEnqueueTime: fromTime(e.Next), PrevEnqueueTime: fromTime(e.Prev),
			})
		}
		return result, err
	})
	register("inspector.enqueue_events", func(args entryArgs) (any, error) {
		opt, err := asynq.ParseRedisURI(args.Redis)
		if err != nil {
			return nil, err
		}
		inspector := asynq.NewInspector(opt)
		events, err := inspector.ListSchedulerEnqueueEvents(args.EntryID, asynq.PageSize(args.Size), asynq.Page(args.Page))
		result := []enqueueEvent{}
		for _, e := range events {
			result = append(result, enqueueEvent{TaskID: e.TaskID, EnqueueTime: fromTime(e.EnqueuedAt)})
		}
		if failed := inspector.Close(); err == nil {
			err = failed
		}
		return result, err
	})
}

type onEntries struct {
	at
	SchedulerID string           `json:"scheduler_id"`
	Entries     []schedulerEntry `json:"entries"`
	TTLNS       int64            `json:"ttl_ns"`
	EntryID     string           `json:"entry_id"`
	Events      []enqueueEvent   `json:"events"`
	Size        int              `json:"size"`
	Page        int              `json:"page"`
}

func init() {
	onBroker("write_scheduler_entries", func(b broker, a onEntries) (any, error) {
		entries := make([]*base.SchedulerEntry, len(a.Entries))
		for i, e := range a.Entries {
			entries[i] = e.toGo()
		}
		return nil, b.WriteSchedulerEntries(a.SchedulerID, entries, time.Duration(a.TTLNS))
	})
	onBroker("clear_scheduler_entries", func(b broker, a onEntries) (any, error) { return nil, b.ClearSchedulerEntries(a.SchedulerID) })
	onBroker("record_enqueue_events", func(b broker, a onEntries) (any, error) {
		for _, e := range a.Events {
			event := &base.SchedulerEnqueueEvent{TaskID: e.TaskID, EnqueuedAt: e.EnqueueTime.toGo()}
			if err := b.RecordSchedulerEnqueueEvent(a.EntryID, event); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
	onBroker("clear_scheduler_history", func(b broker, a onEntries) (any, error) { return nil, b.ClearSchedulerHistory(a.EntryID) })
	onBroker("list_scheduler_entries", func(b broker, _ onEntries) (any, error) {
		entries, err := b.ListSchedulerEntries()
		result := []schedulerEntry{}
		for _, e := range entries {
			result = append(result, fromSchedulerEntry(e))
		}
		return result, err
	})
	onBroker("list_enqueue_events", func(b broker, a onEntries) (any, error) {
		events, err := b.ListSchedulerEnqueueEvents(a.EntryID, rdb.Pagination{Size: a.Size, Page: a.Page})
		result := []enqueueEvent{}
		for _, e := range events {
			result = append(result, enqueueEvent{TaskID: e.TaskID, EnqueueTime: fromTime(e.EnqueuedAt)})
		}
		return result, err
	})
}

// startScheduler starts a scheduler and returns the ids of its entries.
func startScheduler(args schedulerArgs) (any, error) {
	opt, err := asynq.ParseRedisURI(args.Redis)
	if err != nil {
		return nil, err
	}
	zone, err := time.LoadLocation(args.Zone)
	if err != nil {
		return nil, err
	}
	scheduler := asynq.NewScheduler(opt, &asynq.SchedulerOpts{
		HeartbeatInterval: time.Duration(args.HeartbeatNS), Location: zone, LogLevel: asynq.ErrorLevel,
	})
	ids := []string{}
	for _, p := range args.Entries {
		options, err := toGoOptions(p.Options)
		if err != nil {
			return nil, err
		}
		id, err := scheduler.Register(p.Spec, asynq.NewTask(p.Type, p.Payload), options...)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	schedulers[args.Name] = scheduler
	return ids, scheduler.Start()
}
