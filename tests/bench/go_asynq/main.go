// Command bench measures Go Asynq on a Redis: the peer of tests/bench. One job per call, one JSON line on stdout.
//
//	bench -addr HOST:PORT -job enqueue -n 20000 -goroutines 1
//	bench -addr HOST:PORT -job process -n 20000 -concurrency 100
//	bench -addr HOST:PORT -job serve   (handles until stdin closes; prints "start <unix ns> <payload>" for each task)
//	bench -addr HOST:PORT -job ticks -n 100 -gap 50ms   (enqueues one at a time; the payload is the instant, Unix ns)
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
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
	job := flag.String("job", "", "enqueue, process, serve or ticks")
	n := flag.Int("n", 10000, "number of tasks")
	goroutines := flag.Int("goroutines", 1, "callers of Enqueue")
	concurrency := flag.Int("concurrency", 100, "workers")
	gap := flag.Duration("gap", 50*time.Millisecond, "pause between ticks")
	flag.Parse()
	opt := asynq.RedisClientOpt{Addr: *addr}
	switch *job {
	case "enqueue":
		enqueue(opt, *n, *goroutines)
	case "process":
		process(opt, *n, *concurrency)
	case "serve":
		serve(opt, *concurrency)
	case "ticks":
		ticks(opt, *n, *gap)
	default:
		fmt.Fprintf(os.Stderr, "unknown job %q\n", *job)
		os.Exit(2)
	}
}

func enqueue(opt asynq.RedisClientOpt, n, goroutines int) {
	client := asynq.NewClient(opt)
	defer client.Close()
	cpu, begin := cpuSeconds(), time.Now()
	var wait sync.WaitGroup
	for g := 0; g < goroutines; g++ {
		wait.Add(1)
		go func(share int) {
			defer wait.Done()
			for i := 0; i < share; i++ {
				if _, err := client.Enqueue(asynq.NewTask("bench:task", []byte(`{"user_id":42,"n":12345}`))); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
			}
		}(n / goroutines)
	}
	wait.Wait()
	report("enqueue", n/goroutines*goroutines, time.Since(begin), cpuSeconds()-cpu)
}

func process(opt asynq.RedisClientOpt, n, concurrency int) {
	var handled atomic.Int64
	done := make(chan struct{})
	cpu, begin := cpuSeconds(), time.Now()
	server := asynq.NewServer(opt, asynq.Config{Concurrency: concurrency, Logger: quiet{}})
	mux := asynq.NewServeMux()
	mux.HandleFunc("bench:", func(context.Context, *asynq.Task) error {
		if handled.Add(1) == int64(n) {
			close(done)
		}
		return nil
	})
	if err := server.Start(mux); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	<-done
	wall := time.Since(begin)
	server.Shutdown()
	report("process", n, wall, cpuSeconds()-cpu)
}

func serve(opt asynq.RedisClientOpt, concurrency int) {
	out := bufio.NewWriter(os.Stdout)
	var lock sync.Mutex
	server := asynq.NewServer(opt, asynq.Config{Concurrency: concurrency, Logger: quiet{}})
	mux := asynq.NewServeMux()
	mux.HandleFunc("bench:", func(_ context.Context, task *asynq.Task) error {
		now := time.Now().UnixNano()
		lock.Lock()
		defer lock.Unlock()
		fmt.Fprintf(out, "start %d %s\n", now, task.Payload())
		return out.Flush()
	})
	if err := server.Start(mux); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	server.Shutdown()
}

func ticks(opt asynq.RedisClientOpt, n int, gap time.Duration) {
	client := asynq.NewClient(opt)
	defer client.Close()
	for i := 0; i < n; i++ {
		time.Sleep(gap)
		payload := fmt.Appendf(nil, "%d", time.Now().UnixNano())
		if _, err := client.Enqueue(asynq.NewTask("bench:tick", payload)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
