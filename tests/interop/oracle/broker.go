package main

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/hibiken/asynq"
	"github.com/hibiken/asynq/internal/base"
	"github.com/hibiken/asynq/internal/rdb"
	"github.com/hibiken/asynq/internal/timeutil"
)

// broker is an RDB whose clock stands still until it is set.
type broker struct {
	*rdb.RDB
	clock *timeutil.SimulatedClock
}

var brokers = map[string]broker{}

// at names the broker and, optionally, the time that its clock shows from now on. Every rdb operation takes it.
type at struct {
	Broker string `json:"broker"`
	NowNS  *int64 `json:"now_ns"`
}

func (a at) open() (broker, error) {
	b, known := brokers[a.Broker]
	if !known {
		return b, fmt.Errorf("oracle: no broker %q; call rdb.open first", a.Broker)
	}
	if a.NowNS != nil {
		b.clock.SetTime(time.Unix(0, *a.NowNS))
	}
	return b, nil
}

func (a at) getAt() at { return a }

// onBroker registers an operation on a broker; A embeds at.
func onBroker[A interface{ getAt() at }](name string, run func(broker, A) (any, error)) {
	register("rdb."+name, func(args A) (any, error) {
		b, err := args.getAt().open()
		if err != nil {
			return nil, err
		}
		return run(b, args)
	})
}

type onMessage struct {
	at
	Message     message `json:"message"`
	TTLNS       int64   `json:"ttl_ns"`
	ProcessAtNS int64   `json:"process_at_ns"`
	ErrorMsg    string  `json:"error_msg"`
	IsFailure   bool    `json:"is_failure"`
	Group       string  `json:"group"`
}

func (a onMessage) ttl() time.Duration   { return time.Duration(a.TTLNS) }
func (a onMessage) processAt() time.Time { return time.Unix(0, a.ProcessAtNS) }

type onQueues struct {
	at
	Queues   []string `json:"queues"`
	CutoffNS int64    `json:"cutoff_ns"`
}

type onQueue struct {
	at
	Queue     string   `json:"queue"`
	IDs       []string `json:"ids"`
	BatchSize int      `json:"batch_size"`
	Result    []byte   `json:"result"`
	ID        string   `json:"task_id"`
	Payload   []byte   `json:"payload"`
	Group     string   `json:"group"`
	Page      int      `json:"page"`
	Size      int      `json:"size"`
	Days      int      `json:"days"`
	Force     bool     `json:"force"`
}

func redisClient(url string) (redis.UniversalClient, error) {
	opt, err := asynq.ParseRedisURI(url)
	if err != nil {
		return nil, err
	}
	return opt.MakeRedisClient().(redis.UniversalClient), nil
}

func registerBroker() {
	register("rdb.open", func(args struct {
		at
		Redis string `json:"redis"`
	}) (any, error) {
		client, err := redisClient(args.Redis)
		if err != nil {
			return nil, err
		}
		if old, known := brokers[args.Broker]; known {
			old.Close()
		}
		b := broker{rdb.NewRDB(client), timeutil.NewSimulatedClock(time.Now())}
		b.SetClock(b.clock)
		brokers[args.Broker] = b
		_, err = args.open()
		return nil, err
	})
	onBroker("set_time", func(broker, at) (any, error) { return nil, nil })
	onBroker("close", func(b broker, args at) (any, error) {
		delete(brokers, args.Broker)
		return nil, b.Close()
	})
	registerMessageOperations()
	registerQueueOperations()
	registerGroupOperations()
	registerServerState()
}

func registerMessageOperations() {
	ctx := context.Background()
	byMessage := map[string]func(broker, *base.TaskMessage, onMessage) error{
		"enqueue":        func(b broker, m *base.TaskMessage, _ onMessage) error { return b.Enqueue(ctx, m) },
		"enqueue_unique": func(b broker, m *base.TaskMessage, a onMessage) error { return b.EnqueueUnique(ctx, m, a.ttl()) },
		"schedule":       func(b broker, m *base.TaskMessage, a onMessage) error { return b.Schedule(ctx, m, a.processAt()) },
		"schedule_unique": func(b broker, m *base.TaskMessage, a onMessage) error {
			return b.ScheduleUnique(ctx, m, a.processAt(), a.ttl())
		},
		"add_to_group": func(b broker, m *base.TaskMessage, a onMessage) error { return b.AddToGroup(ctx, m, a.Group) },
		"add_to_group_unique": func(b broker, m *base.TaskMessage, a onMessage) error {
			return b.AddToGroupUnique(ctx, m, a.Group, a.ttl())
		},
		"done":             func(b broker, m *base.TaskMessage, _ onMessage) error { return b.Done(ctx, m) },
		"mark_as_complete": func(b broker, m *base.TaskMessage, _ onMessage) error { return b.MarkAsComplete(ctx, m) },
		"requeue":          func(b broker, m *base.TaskMessage, _ onMessage) error { return b.Requeue(ctx, m) },
		"retry": func(b broker, m *base.TaskMessage, a onMessage) error {
			return b.Retry(ctx, m, a.processAt(), a.ErrorMsg, a.IsFailure)
		},
		"archive": func(b broker, m *base.TaskMessage, a onMessage) error { return b.Archive(ctx, m, a.ErrorMsg) },
	}
	for name, run := range byMessage {
		onBroker(name, func(b broker, args onMessage) (any, error) { return nil, run(b, args.Message.toGo(), args) })
	}
}

func registerQueueOperations() {
	onBroker("dequeue", func(b broker, args onQueues) (any, error) {
		m, expires, err := b.Dequeue(args.Queues...)
		if err != nil {
			return nil, err
		}
		return map[string]any{"message": fromMessage(m), "lease_expires_ns": expires.UnixNano()}, nil
	})
	onBroker("forward_if_ready", func(b broker, args onQueues) (any, error) { return nil, b.ForwardIfReady(args.Queues...) })
	onBroker("list_lease_expired", func(b broker, args onQueues) (any, error) {
		messages, err := b.ListLeaseExpired(time.Unix(0, args.CutoffNS), args.Queues...)
		if err != nil {
			return nil, err
		}
		result := make([]*message, len(messages))
		for i, m := range messages {
			result[i] = fromMessage(m)
		}
		return result, nil
	})
	onBroker("extend_lease", func(b broker, args onQueue) (any, error) {
		expires, err := b.ExtendLease(args.Queue, args.IDs...)
		if err != nil {
			return nil, err
		}
		return expires.UnixNano(), nil
	})
	onBroker("delete_expired_completed", func(b broker, args onQueue) (any, error) {
		return nil, b.DeleteExpiredCompletedTasks(args.Queue, args.BatchSize)
	})
	onBroker("write_result", func(b broker, args onQueue) (any, error) {
		return b.WriteResult(args.Queue, args.ID, args.Result)
	})
	onBroker("pause", func(b broker, args onQueue) (any, error) { return nil, b.Pause(args.Queue) })
	onBroker("unpause", func(b broker, args onQueue) (any, error) { return nil, b.Unpause(args.Queue) })
	onBroker("publish_cancelation", func(b broker, args onQueue) (any, error) { return nil, b.PublishCancelation(args.ID) })
}

func registerServerState() {
	onBroker("write_server_state", func(b broker, args struct {
		at
		Info    serverInfo   `json:"info"`
		Workers []workerInfo `json:"workers"`
		TTLNS   int64        `json:"ttl_ns"`
	}) (any, error) {
		workers := make([]*base.WorkerInfo, len(args.Workers))
		for i, w := range args.Workers {
			workers[i] = w.toGo()
		}
		return nil, b.WriteServerState(args.Info.toGo(), workers, time.Duration(args.TTLNS))
	})
	onBroker("clear_server_state", func(b broker, args struct {
		at
		Host     string `json:"host"`
		PID      int    `json:"pid"`
		ServerID string `json:"server_id"`
	}) (any, error) {
		return nil, b.ClearServerState(args.Host, args.PID, args.ServerID)
	})
}
