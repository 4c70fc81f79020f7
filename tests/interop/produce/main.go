// Produce enqueues tasks on a queue's journal as any Go program could: encoded TaskMessages, one a record, by a Kafka client.
// It knows nothing of asynq_compat; what it needs stands in proto/asynq.proto and docs/journal.md ("Bare records").
package main

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"log"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

var (
	brokers   = flag.String("brokers", "127.0.0.1:9092", "addresses, separated by commas")
	topic     = flag.String("topic", "", "topic of the queue's journal; asynq.queue.<queue> when empty")
	queue     = flag.String("queue", "default", "queue named in the message; may be empty")
	count     = flag.Int("n", 1, "number of tasks")
	taskType  = flag.String("type", "", "type of the tasks (required)")
	payload   = flag.String("payload", "", "payload; {i} stands for the task's number, from 0")
	taskID    = flag.String("id", "", "id; {i} stands for the task's number; a random one when empty")
	blankID   = flag.Bool("blank-id", false, "leave the id out: the queue gives one")
	retry     = flag.Int("retry", 25, "maximum number of retries")
	timeout   = flag.Duration("timeout", 30*time.Minute, "processing time limit, whole seconds; 0 leaves it out")
	retention = flag.Duration("retention", 0, "how long to keep a task that ended well, whole seconds")
	processAt = flag.String("process-at", "", "value of the record header process_at, Unix seconds")
	uniqueTTL = flag.String("unique-ttl", "", "value of the record header unique_ttl, seconds")
	framing   = flag.Int("schema-id", 0, "frame each record as a Schema Registry's serializer does, with this schema id; 0: do not")
	deadline  = flag.Duration("give-up-after", 30*time.Second, "how long to try")
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("produce: ")
	flag.Parse()
	if *taskType == "" {
		log.Fatal("-type is missing")
	}
	if *topic == "" {
		*topic = "asynq.queue." + *queue
	}
	if err := produce(); err != nil {
		log.Fatal(err)
	}
}

func produce() error {
	ctx, cancel := context.WithTimeout(context.Background(), *deadline)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(*brokers, ",")...))
	if err != nil {
		return err
	}
	defer client.Close()
	headers := recordHeaders()
	records := make([]*kgo.Record, *count)
	for i := range records {
		records[i] = &kgo.Record{Topic: *topic, Value: record(i), Headers: headers}
	}
	started := time.Now()
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return fmt.Errorf("%d tasks to %s at %s: %w", *count, *topic, *brokers, err)
	}
	fmt.Printf("%d tasks in %s\n", *count, time.Since(started).Round(time.Millisecond))
	return nil
}

func recordHeaders() []kgo.RecordHeader {
	var headers []kgo.RecordHeader
	for key, value := range map[string]string{"process_at": *processAt, "unique_ttl": *uniqueTTL} {
		if value != "" {
			headers = append(headers, kgo.RecordHeader{Key: key, Value: []byte(value)})
		}
	}
	return headers
}

// record returns the bytes of the i-th task.
func record(i int) []byte {
	number := strconv.Itoa(i)
	id := strings.ReplaceAll(*taskID, "{i}", number)
	if id == "" && !*blankID {
		id = newUUID()
	}
	value := taskMessage{
		typ: *taskType, payload: []byte(strings.ReplaceAll(*payload, "{i}", number)), id: id, queue: *queue,
		retry: int32(*retry), timeout: int64(timeout.Seconds()), retention: int64(retention.Seconds()),
	}.encode()
	if *framing == 0 {
		return value
	}
	// Magic byte, schema id, and the message's index, of which a single 0 says "the first one".
	head := []byte{0, byte(*framing >> 24), byte(*framing >> 16), byte(*framing >> 8), byte(*framing), 0}
	return append(head, value...)
}

func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
