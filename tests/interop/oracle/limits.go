package main

import (
	"bytes"
	"context"
	"time"

	redisv8 "github.com/go-redis/redis/v8"
	"github.com/hibiken/asynq"
	"github.com/hibiken/asynq/internal/base"
	asynqcontext "github.com/hibiken/asynq/internal/context"
	"github.com/hibiken/asynq/x/metrics"
	"github.com/hibiken/asynq/x/rate"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

type semaphoreArgs struct {
	Redis      string `json:"redis"`
	Scope      string `json:"scope"`
	MaxTokens  int    `json:"max_tokens"`
	TaskID     string `json:"task_id"`
	DeadlineNS int64  `json:"deadline_ns"`
}

// olderClient gives x/rate the client that the module's last published version works with.
type olderClient struct{ url string }

func (o olderClient) MakeRedisClient() interface{} {
	options, err := redisv8.ParseURL(o.url)
	if err != nil {
		panic(err)
	}
	return redisv8.NewClient(options)
}

func init() {
	register("semaphore.acquire", func(args semaphoreArgs) (any, error) {
		return withSemaphore(args, func(s *rate.Semaphore, ctx context.Context) (any, error) { return s.Acquire(ctx) })
	})
	register("semaphore.release", func(args semaphoreArgs) (any, error) {
		return withSemaphore(args, func(s *rate.Semaphore, ctx context.Context) (any, error) { return nil, s.Release(ctx) })
	})
	register("metrics.text", metricsText)
}

func withSemaphore(args semaphoreArgs, do func(*rate.Semaphore, context.Context) (any, error)) (any, error) {
	semaphore := rate.NewSemaphore(olderClient{args.Redis}, args.Scope, args.MaxTokens)
	defer semaphore.Close()
	ctx := context.Background()
	if args.TaskID != "" {
		var cancel context.CancelFunc
		ctx, cancel = asynqcontext.New(ctx, &base.TaskMessage{ID: args.TaskID}, time.Unix(0, args.DeadlineNS))
		defer cancel()
	} else if args.DeadlineNS != 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, time.Unix(0, args.DeadlineNS))
		defer cancel()
	}
	return do(semaphore, ctx)
}

type metricsArgs struct {
	Redis string `json:"redis"`
}

// metricsText returns what Prometheus would be told of the queues, in its text format.
func metricsText(args metricsArgs) (any, error) {
	opt, err := asynq.ParseRedisURI(args.Redis)
	if err != nil {
		return nil, err
	}
	inspector := asynq.NewInspector(opt)
	defer inspector.Close()
	registry := prometheus.NewRegistry()
	if err := registry.Register(metrics.NewQueueMetricsCollector(inspector)); err != nil {
		return nil, err
	}
	families, err := registry.Gather()
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(&text, family); err != nil {
			return nil, err
		}
	}
	return text.String(), nil
}
