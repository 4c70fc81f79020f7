// What do Go's producers and workers do while everything around them ends at any moment? `chaos produce URL LEDGER` enqueues 250 tasks a second of
// all kinds, `chaos work URL LEDGER` runs tasks of all kinds; both as tests/chaos/produce.py and tests/chaos/work.py do, and with the same notes.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/hibiken/asynq"
)

const (
	tick          = 100 * time.Millisecond
	tasksPerTick  = 25
	underWayMax   = 500
	slots         = 16
	lasts         = 10 * time.Millisecond
	deadlyAfter   = 1500 * time.Millisecond
	retryDelay    = time.Second
	retention     = 24 * time.Hour
	shutdownAfter = 5 * time.Second
)

var kinds = []string{"plain", "unique", "failing", "delayed", "kept", "refused"}

func main() {
	option, err := asynq.ParseRedisURI(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	notes := &ledger{path: os.Args[3]}
	if os.Args[1] == "produce" {
		produce(asynq.NewClient(option), notes, filepath.Base(os.Args[3]))
	} else {
		work(option, notes)
	}
}

func produce(client *asynq.Client, notes *ledger, name string) {
	underWay := make(chan struct{}, underWayMax)
	for n := 0; ; n++ {
		if n%tasksPerTick == 0 {
			time.Sleep(tick)
		}
		underWay <- struct{}{}
		go func(n int) {
			one(client, notes, kinds[n%len(kinds)], name+"/"+strconv.Itoa(n), n)
			<-underWay
		}(n)
	}
}

func one(client *asynq.Client, notes *ledger, kind, payload string, n int) {
	var options []asynq.Option
	if kind != "plain" && kind != "unique" {
		options = append(options, asynq.Retention(retention))
	}
	if kind == "delayed" {
		options = append(options, asynq.ProcessIn(time.Duration(1+n%2)*time.Second))
	}
	if kind != "unique" {
		ask(client, notes, kind, payload, options, false)
		return
	}
	options = append(options, asynq.Unique(time.Hour))
	isStored := ask(client, notes, kind, payload, options, false)
	ask(client, notes, kind, payload, options, isStored)
}

// Ask for a task; return whether it is known to be stored. Only a task that is may have a duplicate: otherwise go-redis has sent it twice, since the
// answer to the first was lost, and the second was told of the first.
func ask(client *asynq.Client, notes *ledger, kind, payload string, options []asynq.Option, isStored bool) bool {
	notes.note(line{Event: "asked", Kind: kind})
	info, err := client.Enqueue(asynq.NewTask(kind, []byte(payload)), options...)
	switch {
	case err == nil:
		notes.note(line{Event: "acknowledged", Kind: kind, ID: info.ID})
		return true
	case errors.Is(err, asynq.ErrDuplicateTask) && isStored:
		notes.note(line{Event: "duplicate", Kind: kind})
	default:
		notes.note(line{Event: "unanswered", Kind: kind, Error: err.Error()})
	}
	return false
}

func work(option asynq.RedisConnOpt, notes *ledger) {
	handle := func(ctx context.Context, task *asynq.Task) error {
		id, _ := asynq.GetTaskID(ctx)
		retried, _ := asynq.GetRetryCount(ctx)
		note := func(event string) { notes.note(line{Event: event, Kind: task.Type(), ID: id, Attempt: retried}) }
		note("start")
		switch {
		case task.Type() == "deadly":
			time.Sleep(deadlyAfter)
			note("kills")
			return syscall.Kill(os.Getpid(), syscall.SIGKILL)
		case task.Type() == "failing" && retried == 0:
			note("failed")
			return errors.New("the first time it fails")
		case task.Type() == "refused":
			note("end")
			return fmt.Errorf("nobody wants it: %w", asynq.SkipRetry)
		}
		time.Sleep(lasts)
		note("end")
		return nil
	}
	server := asynq.NewServer(option, asynq.Config{
		Concurrency:     slots,
		ShutdownTimeout: shutdownAfter,
		LogLevel:        asynq.ErrorLevel,
		RetryDelayFunc:  func(int, error, *asynq.Task) time.Duration { return retryDelay },
	})
	if err := server.Run(asynq.HandlerFunc(handle)); err != nil {
		log.Fatal(err)
	}
}
