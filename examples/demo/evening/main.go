// Command evening is the demo's Go side: a Go Asynq producer, a Go Asynq worker, and a producer of bare records.
//
//	evening produce -addr HOST:PORT -state DIR -n 60        Go Asynq enqueues mails on Redis
//	evening work    -addr HOST:PORT -state DIR -name go     Go Asynq works on the same queues until SIGTERM
//	evening bare    -brokers HOST:PORT -state DIR -n 60     any Kafka client can enqueue: one TaskMessage is one record
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"compress/gzip"

	"github.com/hibiken/asynq"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/encoding/protowire"
)

const keep = 24 * time.Hour

type flags struct {
	addr, brokers, namespace, state, name string
	n                                     int
}

func main() {
	if len(os.Args) < 2 {
		fail(errors.New("say produce, work or bare"))
	}
	var f flags
	set := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	set.StringVar(&f.addr, "addr", "127.0.0.1:6379", "Redis")
	set.StringVar(&f.brokers, "brokers", "127.0.0.1:9092", "Kafka API")
	set.StringVar(&f.namespace, "namespace", "asynq", "what the topics' names begin with")
	set.StringVar(&f.state, "state", ".demo", "the demo's folder")
	set.StringVar(&f.name, "name", "go", "this worker's name")
	set.IntVar(&f.n, "n", 60, "number of mails")
	_ = set.Parse(os.Args[2:])
	switch os.Args[1] {
	case "produce":
		fail(produce(f))
	case "work":
		fail(work(f))
	case "bare":
		fail(bare(f))
	default:
		fail(fmt.Errorf("say produce, work or bare, not %q", os.Args[1]))
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "evening:", err)
		os.Exit(1)
	}
}

// note appends one line to a ledger that the summary reads.
func note(path string, line map[string]any) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	_, err = file.Write(append(text, '\n'))
	return err
}

func produce(f flags) error {
	client := asynq.NewClient(asynq.RedisClientOpt{Addr: f.addr})
	defer client.Close()
	for n := 0; n < f.n; n++ {
		id := fmt.Sprintf("mail:notify:go:%04d", n)
		task := asynq.NewTask("mail:notify", fmt.Appendf(nil, `{"n":%d}`, n))
		_, err := client.Enqueue(task, asynq.Queue("critical"), asynq.TaskID(id), asynq.Retention(keep), asynq.MaxRetry(5))
		if errors.Is(err, asynq.ErrTaskIDConflict) {
			continue
		}
		if err != nil {
			return err
		}
		line := map[string]any{"id": id, "kind": "mail:notify", "by": "go"}
		if err := note(filepath.Join(f.state, "plan-go.jsonl"), line); err != nil {
			return err
		}
	}
	return nil
}

// bare writes the fields of a TaskMessage (proto/asynq.proto) by number: type 1, payload 2, id 3, queue 4, retry 5, timeout 8, retention 12.
func bare(f flags) error {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(f.brokers), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.UnknownTopicRetries(-1)) // the queue's topic is made by the first server or client of asynq_compat
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for n := 0; n < f.n; n++ {
		id := fmt.Sprintf("mail:notify:bare:%04d", n)
		var message []byte
		text := func(field protowire.Number, value string) {
			message = protowire.AppendString(protowire.AppendTag(message, field, protowire.BytesType), value)
		}
		number := func(field protowire.Number, value uint64) {
			message = protowire.AppendVarint(protowire.AppendTag(message, field, protowire.VarintType), value)
		}
		text(1, "mail:notify")
		text(2, fmt.Sprintf(`{"n":%d}`, n))
		text(3, id)
		text(4, "critical")
		number(5, 5)
		number(8, 1800)
		number(12, uint64(keep.Seconds()))
		record := &kgo.Record{Topic: f.namespace + ".queue.critical", Partition: 0, Value: message}
		if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
			return err
		}
		line := map[string]any{"id": id, "kind": "mail:notify", "by": "go, bare record"}
		if err := note(filepath.Join(f.state, "plan-bare.jsonl"), line); err != nil {
			return err
		}
	}
	return nil
}

func work(f flags) error {
	server := asynq.NewServer(asynq.RedisClientOpt{Addr: f.addr}, asynq.Config{
		Concurrency:    4,
		Queues:         map[string]int{"critical": 6, "default": 3, "low": 1},
		RetryDelayFunc: func(int, error, *asynq.Task) time.Duration { return time.Second },
		LogLevel:       asynq.ErrorLevel,
	})
	mux := asynq.NewServeMux()
	mux.Use(func(next asynq.Handler) asynq.Handler {
		return asynq.HandlerFunc(func(ctx context.Context, task *asynq.Task) error {
			err := next.ProcessTask(ctx, task)
			id, _ := asynq.GetTaskID(ctx)
			retried, _ := asynq.GetRetryCount(ctx)
			outcome := "done"
			if errors.Is(err, asynq.SkipRetry) {
				outcome = "archived"
			} else if err != nil {
				outcome = "failed"
			}
			line := map[string]any{"id": id, "type": task.Type(), "worker": f.name, "attempt": retried + 1, "outcome": outcome}
			return errors.Join(err, note(filepath.Join(f.state, "worker-"+f.name+".jsonl"), line))
		})
	})
	mux.HandleFunc("document:compress", func(_ context.Context, task *asynq.Task) error { return compress(f.state, number(task)) })
	mux.HandleFunc("document:expire", func(context.Context, *asynq.Task) error { return nil })
	mux.HandleFunc("index:rebuild", func(context.Context, *asynq.Task) error { return nil })
	mux.HandleFunc("mail:notify", func(ctx context.Context, task *asynq.Task) error {
		time.Sleep(50 * time.Millisecond)
		if retried, _ := asynq.GetRetryCount(ctx); number(task)%4 == 0 && retried == 0 {
			return errors.New("the mail server is busy")
		}
		return nil
	})
	mux.HandleFunc("mail:bounce", func(context.Context, *asynq.Task) error {
		return fmt.Errorf("the address does not exist: %w", asynq.SkipRetry)
	})
	if err := server.Start(mux); err != nil {
		return err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	<-signals
	server.Shutdown()
	return nil
}

func number(task *asynq.Task) int {
	var fields struct {
		N int `json:"n"`
	}
	_ = json.Unmarshal(task.Payload(), &fields)
	return fields.N
}

func compress(state string, n int) error {
	folder := filepath.Join(state, "documents")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	words := strings.Fields("invoice parcel customer discount basket order return refund stock shelf label")
	chance := rand.New(rand.NewSource(int64(n)))
	var text strings.Builder
	for range 20_000 {
		text.WriteString(words[chance.Intn(len(words))])
		text.WriteByte(' ')
	}
	file, err := os.Create(filepath.Join(folder, fmt.Sprintf("%04d.gz", n)))
	if err != nil {
		return err
	}
	defer file.Close()
	zip := gzip.NewWriter(file)
	if _, err := zip.Write([]byte(text.String())); err != nil {
		return err
	}
	return zip.Close()
}
