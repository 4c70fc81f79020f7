package main

import (
	"time"

	"github.com/hibiken/asynq/internal/base"
)

// message is a TaskMessage under the names of the proto file.
type message struct {
	Type         string            `json:"type"`
	Payload      []byte            `json:"payload"`
	ID           string            `json:"id"`
	Queue        string            `json:"queue"`
	Retry        int               `json:"retry"`
	Retried      int               `json:"retried"`
	ErrorMsg     string            `json:"error_msg"`
	Timeout      int64             `json:"timeout"`
	Deadline     int64             `json:"deadline"`
	UniqueKey    string            `json:"unique_key"`
	LastFailedAt int64             `json:"last_failed_at"`
	Retention    int64             `json:"retention"`
	CompletedAt  int64             `json:"completed_at"`
	GroupKey     string            `json:"group_key"`
	Headers      map[string]string `json:"headers"`
}

func (m message) toGo() *base.TaskMessage {
	return &base.TaskMessage{
		Type: m.Type, Payload: m.Payload, ID: m.ID, Queue: m.Queue, Retry: m.Retry, Retried: m.Retried, ErrorMsg: m.ErrorMsg,
		Timeout: m.Timeout, Deadline: m.Deadline, UniqueKey: m.UniqueKey, LastFailedAt: m.LastFailedAt, Retention: m.Retention,
		CompletedAt: m.CompletedAt, GroupKey: m.GroupKey, Headers: m.Headers,
	}
}

func fromMessage(m *base.TaskMessage) *message {
	if m == nil {
		return nil
	}
	return &message{
		Type: m.Type, Payload: m.Payload, ID: m.ID, Queue: m.Queue, Retry: m.Retry, Retried: m.Retried, ErrorMsg: m.ErrorMsg,
		Timeout: m.Timeout, Deadline: m.Deadline, UniqueKey: m.UniqueKey, LastFailedAt: m.LastFailedAt, Retention: m.Retention,
		CompletedAt: m.CompletedAt, GroupKey: m.GroupKey, Headers: m.Headers,
	}
}

// instant is [Unix seconds, nanoseconds]: year 1 does not fit into nanoseconds.
type instant [2]int64

func (i instant) toGo() time.Time { return time.Unix(i[0], i[1]) }

func fromTime(t time.Time) instant { return instant{t.Unix(), int64(t.Nanosecond())} }

type serverInfo struct {
	Host              string         `json:"host"`
	PID               int            `json:"pid"`
	ServerID          string         `json:"server_id"`
	Concurrency       int            `json:"concurrency"`
	Queues            map[string]int `json:"queues"`
	StrictPriority    bool           `json:"strict_priority"`
	Status            string         `json:"status"`
	StartTime         instant        `json:"start_time"`
	ActiveWorkerCount int            `json:"active_worker_count"`
}

func (s serverInfo) toGo() *base.ServerInfo {
	return &base.ServerInfo{
		Host: s.Host, PID: s.PID, ServerID: s.ServerID, Concurrency: s.Concurrency, Queues: s.Queues,
		StrictPriority: s.StrictPriority, Status: s.Status, Started: s.StartTime.toGo(), ActiveWorkerCount: s.ActiveWorkerCount,
	}
}

func fromServerInfo(s *base.ServerInfo) serverInfo {
	return serverInfo{
		Host: s.Host, PID: s.PID, ServerID: s.ServerID, Concurrency: s.Concurrency, Queues: s.Queues,
		StrictPriority: s.StrictPriority, Status: s.Status, StartTime: fromTime(s.Started), ActiveWorkerCount: s.ActiveWorkerCount,
	}
}

type workerInfo struct {
	Host        string  `json:"host"`
	PID         int     `json:"pid"`
	ServerID    string  `json:"server_id"`
	TaskID      string  `json:"task_id"`
	TaskType    string  `json:"task_type"`
	TaskPayload []byte  `json:"task_payload"`
	Queue       string  `json:"queue"`
	StartTime   instant `json:"start_time"`
	Deadline    instant `json:"deadline"`
}

func (w workerInfo) toGo() *base.WorkerInfo {
	return &base.WorkerInfo{
		Host: w.Host, PID: w.PID, ServerID: w.ServerID, ID: w.TaskID, Type: w.TaskType, Payload: w.TaskPayload, Queue: w.Queue,
		Started: w.StartTime.toGo(), Deadline: w.Deadline.toGo(),
	}
}

func fromWorkerInfo(w *base.WorkerInfo) workerInfo {
	return workerInfo{
		Host: w.Host, PID: w.PID, ServerID: w.ServerID, TaskID: w.ID, TaskType: w.Type, TaskPayload: w.Payload, Queue: w.Queue,
		StartTime: fromTime(w.Started), Deadline: fromTime(w.Deadline),
	}
}

type schedulerEntry struct {
	ID              string   `json:"id"`
	Spec            string   `json:"spec"`
	TaskType        string   `json:"task_type"`
	TaskPayload     []byte   `json:"task_payload"`
	EnqueueOptions  []string `json:"enqueue_options"`
	NextEnqueueTime instant  `json:"next_enqueue_time"`
	PrevEnqueueTime instant  `json:"prev_enqueue_time"`
}

func (e schedulerEntry) toGo() *base.SchedulerEntry {
	return &base.SchedulerEntry{
		ID: e.ID, Spec: e.Spec, Type: e.TaskType, Payload: e.TaskPayload, Opts: e.EnqueueOptions,
		Next: e.NextEnqueueTime.toGo(), Prev: e.PrevEnqueueTime.toGo(),
	}
}

func fromSchedulerEntry(e *base.SchedulerEntry) schedulerEntry {
	return schedulerEntry{
		ID: e.ID, Spec: e.Spec, TaskType: e.Type, TaskPayload: e.Payload, EnqueueOptions: e.Opts,
		NextEnqueueTime: fromTime(e.Next), PrevEnqueueTime: fromTime(e.Prev),
	}
}

type enqueueEvent struct {
	TaskID      string  `json:"task_id"`
	EnqueueTime instant `json:"enqueue_time"`
}

type encoded struct {
	Data []byte `json:"data"`
}

type encodedMany struct {
	Data [][]byte `json:"data"`
}

func codec[J, G any](name string, toGo func(J) *G, encode func(*G) ([]byte, error), decode func([]byte) (*G, error), fromGo func(*G) J) {
	register("enc."+name, func(value J) (any, error) { return encode(toGo(value)) })
	register("dec."+name, func(args encoded) (any, error) {
		value, err := decode(args.Data)
		if err != nil {
			return nil, err
		}
		return fromGo(value), nil
	})
}

func registerCodec() {
	codec("message", message.toGo, base.EncodeMessage, base.DecodeMessage, func(m *base.TaskMessage) message { return *fromMessage(m) })
	codec("server_info", serverInfo.toGo, base.EncodeServerInfo, base.DecodeServerInfo, fromServerInfo)
	codec("worker_info", workerInfo.toGo, base.EncodeWorkerInfo, base.DecodeWorkerInfo, fromWorkerInfo)
	codec("scheduler_entry", schedulerEntry.toGo, base.EncodeSchedulerEntry, base.DecodeSchedulerEntry, fromSchedulerEntry)
	codec("enqueue_event",
		func(e enqueueEvent) *base.SchedulerEnqueueEvent {
			return &base.SchedulerEnqueueEvent{TaskID: e.TaskID, EnqueuedAt: e.EnqueueTime.toGo()}
		},
		base.EncodeSchedulerEnqueueEvent, base.DecodeSchedulerEnqueueEvent,
		func(e *base.SchedulerEnqueueEvent) enqueueEvent {
			return enqueueEvent{TaskID: e.TaskID, EnqueueTime: fromTime(e.EnqueuedAt)}
		})
	register("dec.messages", func(args encodedMany) (any, error) {
		// Many at once, each a message or the text of its error.
		results := make([]any, len(args.Data))
		for i, data := range args.Data {
			if m, err := base.DecodeMessage(data); err != nil {
				results[i] = map[string]string{"error": err.Error()}
			} else {
				results[i] = fromMessage(m)
			}
		}
		return results, nil
	})
	register("unique", func(args struct {
		Queue   string `json:"queue"`
		Type    string `json:"type"`
		Payload []byte `json:"payload"`
	}) (any, error) {
		return base.UniqueKey(args.Queue, args.Type, args.Payload), nil
	})
}
