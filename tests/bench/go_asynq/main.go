// Command bench measures Go Asynq on a Redis: the peer of tests/bench. One job per call, one JSON line on stdout.
//
//	bench -addr HOST:PORT -job enqueue -n 20000 -goroutines 1 [-unique] [-size 130]   (-unique: a lock and a retention of an hour on
//	    each; -size: payloads of so many bytes)
//	bench -addr HOST:PORT -job process -n 20000 -concurrency 100 [-sleep 1ms] [-failing]   (-failing: every tenth fails once)
//	bench -addr HOST:PORT -job serve -n 100 -skip 10   (prints "ready", handles n tasks, prints how long they waited from the
//	    instant in their payload to their start, without the first -skip)
//	bench -addr HOST:PORT -job paced -n 100 -rate 20   (enqueues at that rate, whatever the answers; the payload is the instant, Unix ns)
//	bench -addr HOST:PORT -job schedule -n 200   (schedules n tasks for the next eight whole seconds but the first; the payload is the
//	    instant, Unix ns; they are kept for an hour)
//	bench -addr HOST:PORT -job note   (prints "ready", handles tasks until stdin ends; the result of each is how late it began, ms)
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hibiken/asynq"
)

type quiet struct{}

func (quiet) Debug(...any) {}
func (quiet) Info(...any)  {}
func (quiet) Warn(...any)  {}
func (quiet) Error(a ...any) {
	fmt.Fprintln(os.Stderr, a...)
}
func (quiet) Fatal(a ...any) {
	fmt.Fprintln(os.Stderr, a...)
	os.Exit(1)
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}

func report(job string, n int, wall time.Duration, cpu float64) {
	line, _ := json.Marshal(map[string]any{"job": job, "n": n, "wall_s": wall.Seconds(), "cpu_s": cpu})
	fmt.Println(string(line))
}

func main() {
	addr := flag.String("addr", "127.0.0.1:6379", "Redis")
	job := flag.String("job", "", "enqueue, process, serve, paced, schedule or note")
	n := flag.Int("n", 10000, "number of tasks")
	goroutines := flag.Int("goroutines", 1, "callers of Enqueue")
	concurrency := flag.Int("concurrency", 100, "workers")
	rate := flag.Float64("rate", 20, "tasks a second")
	skip := flag.Int("skip", 10, "first tasks that are not counted")
	sleep := flag.Duration("sleep", 0, "what a handler waits")
	failing := flag.Bool("failing", false, "every tenth task fails once")
	size := flag.Int("size", 0, "least length of a payload, bytes")
	unique := flag.Bool("unique", false, "tasks are unique and kept")
	flag.Parse()
	opt := asynq.RedisClientOpt{Addr: *addr}
	switch *job {
	case "enqueue":
		enqueue(opt, *n, *goroutines, *size, *unique)
	case "process":
		process(opt, *n, *concurrency, *sleep, *failing)
	case "serve":
		serve(opt, *n, *skip, *concurrency)
	case "paced":
		paced(opt, *n, *rate)
	case "schedule":
		schedule(opt, *n)
	case "note":
		note(opt, *concurrency)
	default:
		fmt.Fprintf(os.Stderr, "unknown job %q\n", *job)
		os.Exit(2)
	}
}

func enqueue(opt asynq.RedisClientOpt, n, goroutines, size int, unique bool) {
	client := asynq.NewClient(opt)
	defer client.Close()
	var options []asynq.Option
	if unique {
		options = []asynq.Option{asynq.Unique(time.Hour), asynq.Retention(time.Hour)}
	}
	share := n / goroutines
	cpu, begin := cpuSeconds(), time.Now()
	var wait sync.WaitGroup
	for g := 0; g < goroutines; g++ {
		wait.Add(1)
		go func(first int) {
			defer wait.Done()
			for i := first; i < first+share; i++ {
				payload := fmt.Appendf(nil, `{"user_id":42,"n":%07d}`, i)
				payload = append(payload, bytes.Repeat([]byte("x"), max(0, size-len(payload)))...)
				if _, err := client.Enqueue(asynq.NewTask("bench:task", payload), options...); err != nil {
					fail(err)
				}
			}
		}(g * share)
	}
	wait.Wait()
	report("enqueue", share*goroutines, time.Since(begin), cpuSeconds()-cpu)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func process(opt asynq.RedisClientOpt, n, concurrency int, sleep time.Duration, failing bool) {
	var handled atomic.Int64
	done := make(chan struct{})
	config := asynq.Config{Concurrency: concurrency, Logger: quiet{}}
	if failing {
		// Else the forwarder's five seconds would be what is measured.
		config.DelayedTaskCheckInterval = 100 * time.Millisecond
		config.RetryDelayFunc = func(int, error, *asynq.Task) time.Duration { return 0 }
		config.LogLevel = asynq.FatalLevel
	}
	mistake := errors.New("every tenth fails once")
	cpu, begin := cpuSeconds(), time.Now()
	server := asynq.NewServer(opt, config)
	mux := asynq.NewServeMux()
	mux.HandleFunc("bench:", func(ctx context.Context, task *asynq.Task) error {
		if sleep > 0 {
			time.Sleep(sleep)
		}
		if failing && bytes.HasSuffix(task.Payload(), []byte("0}")) {
			if retried, _ := asynq.GetRetryCount(ctx); retried == 0 {
				return mistake
			}
		}
		if handled.Add(1) == int64(n) {
			close(done)
		}
		return nil
	})
	if err := server.Start(mux); err != nil {
		fail(err)
	}
	<-done
	wall := time.Since(begin)
	server.Shutdown()
	report("process", n, wall, cpuSeconds()-cpu)
}

func serve(opt asynq.RedisClientOpt, n, skip, concurrency int) {
	var lock sync.Mutex
	waits := make([]float64, 0, n)
	done := make(chan struct{})
	server := asynq.NewServer(opt, asynq.Config{Concurrency: concurrency, Logger: quiet{}})
	mux := asynq.NewServeMux()
	mux.HandleFunc("bench:", func(_ context.Context, task *asynq.Task) error {
		now := time.Now().UnixNano()
		made, err := strconv.ParseInt(string(task.Payload()), 10, 64)
		if err != nil {
			fail(err)
		}
		lock.Lock()
		defer lock.Unlock()
		if waits = append(waits, float64(now-made)/1e6); len(waits) == n {
			close(done)
		}
		return nil
	})
	if err := server.Start(mux); err != nil {
		fail(err)
	}
	cpu := cpuSeconds()
	fmt.Println("ready")
	<-done
	spent := cpuSeconds() - cpu
	server.Shutdown()
	waits = waits[skip:]
	sort.Float64s(waits)
	line, _ := json.Marshal(map[string]any{
		"cpu_s": spent, "p50_ms": waits[len(waits)/2], "p99_ms": waits[len(waits)*99/100], "max_ms": waits[len(waits)-1],
	})
	fmt.Println(string(line))
}

func paced(opt asynq.RedisClientOpt, n int, rate float64) {
	client := asynq.NewClient(opt)
	defer client.Close()
	if err := client.Ping(); err != nil {
		fail(err)
	}
	var wait sync.WaitGroup
	cpu, begin := cpuSeconds(), time.Now()
	for i := 0; i < n; i++ {
		time.Sleep(time.Until(begin.Add(time.Duration(float64(i+1) / rate * float64(time.Second)))))
		wait.Add(1)
		go func() {
			defer wait.Done()
			payload := fmt.Appendf(nil, "%d", time.Now().UnixNano())
			if _, err := client.Enqueue(asynq.NewTask("bench:task", payload)); err != nil {
				fail(err)
			}
		}()
	}
	wait.Wait()
	report("paced", n, time.Since(begin), cpuSeconds()-cpu)
}

func schedule(opt asynq.RedisClientOpt, n int) {
	client := asynq.NewClient(opt)
	defer client.Close()
	cpu, begin := cpuSeconds(), time.Now()
	first := begin.Truncate(time.Second).Add(2 * time.Second)
	for i := 0; i < n; i++ {
		at := first.Add(time.Duration(i%7) * time.Second)
		payload := fmt.Appendf(nil, "%d", at.UnixNano())
		if _, err := client.Enqueue(asynq.NewTask("bench:task", payload), asynq.ProcessAt(at), asynq.Retention(time.Hour)); err != nil {
			fail(err)
		}
	}
	report("schedule", n, time.Since(begin), cpuSeconds()-cpu)
}

func note(opt asynq.RedisClientOpt, concurrency int) {
	server := asynq.NewServer(opt, asynq.Config{Concurrency: concurrency, Logger: quiet{}})
	mux := asynq.NewServeMux()
	mux.HandleFunc("bench:", func(_ context.Context, task *asynq.Task) error {
		now := time.Now().UnixNano()
		due, err := strconv.ParseInt(string(task.Payload()), 10, 64)
		if err != nil {
			fail(err)
		}
		_, err = task.ResultWriter().Write(fmt.Appendf(nil, "go %f", float64(now-due)/1e6))
		return err
	})
	if err := server.Start(mux); err != nil {
		fail(err)
	}
	fmt.Println("ready")
	if _, err := io.ReadAll(os.Stdin); err != nil {
		fail(err)
	}
	server.Shutdown()
}
