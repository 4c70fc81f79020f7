package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
)

// option is one of asynq's options, as {"name": value}: durations in nanoseconds, instants in Unix nanoseconds.
type option map[string]json.RawMessage

func (o option) toGo() (asynq.Option, error) {
	if len(o) != 1 {
		return nil, fmt.Errorf("oracle: an option is an object with one name, got %d", len(o))
	}
	for name, raw := range o {
		var text string
		var number int64
		switch name {
		case "Queue", "TaskID", "Group":
			if err := json.Unmarshal(raw, &text); err != nil {
				return nil, fmt.Errorf("oracle: option %s: %w", name, err)
			}
		default:
			if err := json.Unmarshal(raw, &number); err != nil {
				return nil, fmt.Errorf("oracle: option %s: %w", name, err)
			}
		}
		switch name {
		case "Queue":
			return asynq.Queue(text), nil
		case "TaskID":
			return asynq.TaskID(text), nil
		case "Group":
			return asynq.Group(text), nil
		case "MaxRetry":
			return asynq.MaxRetry(int(number)), nil
		case "Timeout":
			return asynq.Timeout(time.Duration(number)), nil
		case "Deadline":
			return asynq.Deadline(time.Unix(0, number)), nil
		case "Unique":
			return asynq.Unique(time.Duration(number)), nil
		case "ProcessAt":
			return asynq.ProcessAt(time.Unix(0, number)), nil
		case "ProcessIn":
			return asynq.ProcessIn(time.Duration(number)), nil
		case "Retention":
			return asynq.Retention(time.Duration(number)), nil
		}
		return nil, fmt.Errorf("oracle: no option %q", name)
	}
	return nil, nil
}

func toGoOptions(options []option) ([]asynq.Option, error) {
	result := make([]asynq.Option, len(options))
	for i, o := range options {
		converted, err := o.toGo()
		if err != nil {
			return nil, err
		}
		result[i] = converted
	}
	return result, nil
}

// taskInfo is asynq.TaskInfo; instants are Unix seconds but for next_process_at, and null for Go's zero time.
type taskInfo struct {
	ID            string            `json:"id"`
	Queue         string            `json:"queue"`
	Type          string            `json:"type"`
	Payload       []byte            `json:"payload"`
	Headers       map[string]string `json:"headers"`
	State         string            `json:"state"`
	MaxRetry      int               `json:"max_retry"`
	Retried       int               `json:"retried"`
	LastErr       string            `json:"last_err"`
	LastFailedAt  *int64            `json:"last_failed_at"`
	TimeoutNS     int64             `json:"timeout_ns"`
	Deadline      *int64            `json:"deadline"`
	Group         string            `json:"group"`
	NextProcessAt *instant          `json:"next_process_at"`
	IsOrphaned    bool              `json:"is_orphaned"`
	RetentionNS   int64             `json:"retention_ns"`
	CompletedAt   *int64            `json:"completed_at"`
	Result        []byte            `json:"result"`
}

func seconds(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	s := t.Unix()
	return &s
}

func fromInfo(info *asynq.TaskInfo) taskInfo {
	result := taskInfo{
		ID: info.ID, Queue: info.Queue, Type: info.Type, Payload: info.Payload, Headers: info.Headers, State: info.State.String(),
		MaxRetry: info.MaxRetry, Retried: info.Retried, LastErr: info.LastErr, LastFailedAt: seconds(info.LastFailedAt),
		TimeoutNS: int64(info.Timeout), Deadline: seconds(info.Deadline), Group: info.Group, IsOrphaned: info.IsOrphaned,
		RetentionNS: int64(info.Retention), CompletedAt: seconds(info.CompletedAt), Result: info.Result,
	}
	if !info.NextProcessAt.IsZero() {
		next := fromTime(info.NextProcessAt)
		result.NextProcessAt = &next
	}
	return result
}

var clients = map[string]*asynq.Client{}

// clientOf keeps one client for each URI: asynq's clients remember which queues they have announced.
func clientOf(uri string) (*asynq.Client, error) {
	if known := clients[uri]; known != nil {
		return known, nil
	}
	opt, err := connOpt(uri)
	if err != nil {
		return nil, err
	}
	clients[uri] = asynq.NewClient(opt)
	return clients[uri], nil
}

type enqueueArgs struct {
	Redis       string            `json:"redis"`
	Type        string            `json:"type"`
	Payload     []byte            `json:"payload"`
	Headers     map[string]string `json:"headers"`
	TaskOptions []option          `json:"task_options"`
	Options     []option          `json:"options"`
	N           int               `json:"n"`
}

// prepare returns a function that enqueues the task once.
func (a enqueueArgs) prepare() (func() (*asynq.TaskInfo, error), error) {
	client, err := clientOf(a.Redis)
	if err != nil {
		return nil, err
	}
	own, err := toGoOptions(a.TaskOptions)
	if err != nil {
		return nil, err
	}
	options, err := toGoOptions(a.Options)
	if err != nil {
		return nil, err
	}
	task := asynq.NewTaskWithHeaders(a.Type, a.Payload, a.Headers, own...)
	return func() (*asynq.TaskInfo, error) { return client.Enqueue(task, options...) }, nil
}

func registerClient() {
	register("client.enqueue", func(args enqueueArgs) (any, error) {
		enqueue, err := args.prepare()
		if err != nil {
			return nil, err
		}
		info, err := enqueue()
		if err != nil {
			return nil, err
		}
		return fromInfo(info), nil
	})
	register("client.enqueue_n", func(args enqueueArgs) (any, error) {
		enqueue, err := args.prepare()
		if err != nil {
			return nil, err
		}
		ids := make([]string, args.N)
		started := time.Now()
		for i := range ids {
			info, err := enqueue()
			if err != nil {
				return nil, err
			}
			ids[i] = info.ID
		}
		return map[string]any{"ids": ids, "elapsed_ns": time.Since(started).Nanoseconds()}, nil
	})
	register("client.close", func(args enqueueArgs) (any, error) {
		client := clients[args.Redis]
		delete(clients, args.Redis)
		if client == nil {
			return nil, nil
		}
		return nil, client.Close()
	})
}
