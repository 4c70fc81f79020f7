package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hibiken/asynq"
)

// behaviour is what the handler does with a task: wait, write a result, then end as `do` says.
type behaviour struct {
	Do       string  `json:"do"`        // ok (the default), fail, fail_once, skip, revoke, panic, wait
	Text     string  `json:"text"`      // error text; "boom" when empty
	SleepMS  int     `json:"sleep_ms"`  // before it ends; a cancelled context ends it at once
	Result   *[]byte `json:"result"`    // written before it ends
	FailsFor int     `json:"fails_for"` // do=fail: only while fewer retries than this were made; 0: always
}

type serverArgs struct {
	Name            string               `json:"name"`
	Redis           string               `json:"redis"`
	Concurrency     int                  `json:"concurrency"`
	Queues          map[string]int       `json:"queues"`
	Strict          bool                 `json:"strict"`
	RetryDelayNS    *int64               `json:"retry_delay_ns"`
	NoFailure       string               `json:"no_failure"`
	Behaviours      map[string]behaviour `json:"behaviours"`
	ShutdownNS      int64                `json:"shutdown_timeout_ns"`
	TaskCheckNS     int64                `json:"task_check_interval_ns"`
	DelayedCheckNS  int64                `json:"delayed_task_check_interval_ns"`
	JanitorNS       int64                `json:"janitor_interval_ns"`
	JanitorBatch    int                  `json:"janitor_batch_size"`
	HealthCheckNS   int64                `json:"health_check_interval_ns"`
	GroupGraceNS    int64                `json:"group_grace_period_ns"`
	GroupMaxDelayNS int64                `json:"group_max_delay_ns"`
	GroupMaxSize    int                  `json:"group_max_size"`
	Aggregate       string               `json:"aggregate"`
	LogLevel        string               `json:"log_level"`
}

var servers = map[string]*asynq.Server{}

func (a serverArgs) config() (asynq.Config, error) {
	config := asynq.Config{
		Concurrency: a.Concurrency, Queues: a.Queues, StrictPriority: a.Strict, ShutdownTimeout: time.Duration(a.ShutdownNS),
		TaskCheckInterval: time.Duration(a.TaskCheckNS), DelayedTaskCheckInterval: time.Duration(a.DelayedCheckNS),
		JanitorInterval: time.Duration(a.JanitorNS), JanitorBatchSize: a.JanitorBatch, HealthCheckInterval: time.Duration(a.HealthCheckNS),
		GroupGracePeriod: time.Duration(a.GroupGraceNS), GroupMaxDelay: time.Duration(a.GroupMaxDelayNS), GroupMaxSize: a.GroupMaxSize,
		LogLevel: asynq.ErrorLevel,
		ErrorHandler: asynq.ErrorHandlerFunc(func(ctx context.Context, task *asynq.Task, err error) {
			id, _ := asynq.GetTaskID(ctx)
			emit(map[string]any{"event": "error", "server": a.Name, "task_id": id, "type": task.Type(), "error": err.Error()})
		}),
	}
	if a.LogLevel != "" {
		if err := config.LogLevel.Set(a.LogLevel); err != nil {
			return config, err
		}
	}
	if a.RetryDelayNS != nil {
		config.RetryDelayFunc = func(int, error, *asynq.Task) time.Duration { return time.Duration(*a.RetryDelayNS) }
	}
	if a.NoFailure != "" {
		config.IsFailure = func(err error) bool { return !strings.Contains(err.Error(), a.NoFailure) }
	}
	if a.Aggregate != "" {
		config.GroupAggregator = asynq.GroupAggregatorFunc(func(group string, tasks []*asynq.Task) *asynq.Task {
			payloads := make([]string, len(tasks))
			for i, t := range tasks {
				payloads[i] = string(t.Payload())
			}
			emit(map[string]any{"event": "aggregate", "server": a.Name, "group": group, "count": len(tasks)})
			return asynq.NewTask(a.Aggregate, []byte(strings.Join(payloads, "\n")))
		})
	}
	return config, nil
}

// behaviourFor looks up the task's id, then its type; else a payload that is a JSON object with "do" says it itself.
func (a serverArgs) behaviourFor(id string, task *asynq.Task) behaviour {
	if b, found := a.Behaviours[id]; found {
		return b
	}
	if b, found := a.Behaviours[task.Type()]; found {
		return b
	}
	var b behaviour
	if json.Unmarshal(task.Payload(), &b) != nil {
		return behaviour{}
	}
	return b
}

func (a serverArgs) handle(ctx context.Context, task *asynq.Task) (err error) {
	id, _ := asynq.GetTaskID(ctx)
	retried, _ := asynq.GetRetryCount(ctx)
	maxRetry, _ := asynq.GetMaxRetry(ctx)
	queue, _ := asynq.GetQueueName(ctx)
	deadline, _ := ctx.Deadline()
	emit(map[string]any{
		"event": "start", "server": a.Name, "task_id": id, "type": task.Type(), "payload": task.Payload(), "headers": task.Headers(),
		"queue": queue, "retried": retried, "max_retry": maxRetry, "deadline": fromTime(deadline), "at_ns": time.Now().UnixNano(),
	})
	defer func() {
		end := map[string]any{"event": "end", "server": a.Name, "task_id": id, "queue": queue, "error": nil, "at_ns": time.Now().UnixNano()}
		if cause := recover(); cause != nil {
			end["error"] = fmt.Sprint("panic: ", cause)
			emit(end)
			panic(cause)
		}
		if err != nil {
			end["error"] = err.Error()
		}
		emit(end)
	}()
	return a.behaviourFor(id, task).carryOut(ctx, task, retried)
}

func (b behaviour) carryOut(ctx context.Context, task *asynq.Task, retried int) error {
	if b.SleepMS > 0 || b.Do == "wait" {
		wait := time.Duration(b.SleepMS) * time.Millisecond
		if b.Do == "wait" {
			wait = time.Hour
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if b.Result != nil {
		if _, err := task.ResultWriter().Write(*b.Result); err != nil {
			return err
		}
	}
	text := b.Text
	if text == "" {
		text = "boom"
	}
	switch b.Do {
	case "", "ok", "wait":
		return nil
	case "fail_once":
		b.FailsFor = 1
		fallthrough
	case "fail":
		if b.FailsFor > 0 && retried >= b.FailsFor {
			return nil
		}
		return errors.New(text)
	case "skip":
		return fmt.Errorf("%s: %w", text, asynq.SkipRetry)
	case "revoke":
		return fmt.Errorf("%s: %w", text, asynq.RevokeTask)
	case "panic":
		panic(text)
	}
	return fmt.Errorf("oracle: the handler cannot do %q", b.Do)
}

func registerServer() {
	register("server.start", func(args serverArgs) (any, error) {
		opt, err := connOpt(args.Redis)
		if err != nil {
			return nil, err
		}
		config, err := args.config()
		if err != nil {
			return nil, err
		}
		server := asynq.NewServer(opt, config)
		if err := server.Start(asynq.HandlerFunc(args.handle)); err != nil {
			return nil, err
		}
		servers[args.Name] = server
		return nil, nil
	})
	onServer("server.quiet", func(s *asynq.Server) error { s.Stop(); return nil })
	onServer("server.shutdown", func(s *asynq.Server) error { s.Shutdown(); return nil })
	onServer("server.ping", func(s *asynq.Server) error { return s.Ping() })
}

func onServer(name string, run func(*asynq.Server) error) {
	register(name, func(args struct {
		Name string `json:"name"`
	}) (any, error) {
		server, known := servers[args.Name]
		if !known {
			return nil, fmt.Errorf("oracle: no server %q", args.Name)
		}
		return nil, run(server)
	})
}
