package main

import (
	"context"
	"sort"
	"time"

	"github.com/hibiken/asynq/internal/base"
)

type onGroup struct {
	at
	Queue      string `json:"queue"`
	Group      string `json:"group"`
	SetID      string `json:"set_id"`
	GraceNS    int64  `json:"grace_ns"`
	MaxDelayNS int64  `json:"max_delay_ns"`
	MaxSize    int    `json:"max_size"`
}

func registerGroupOperations() {
	onBroker("list_groups", func(b broker, a onGroup) (any, error) {
		groups, err := b.ListGroups(a.Queue)
		sort.Strings(groups)
		return append([]string{}, groups...), err
	})
	onBroker("group_stats", func(b broker, a onGroup) (any, error) {
		stats, err := b.GroupStats(a.Queue)
		result := map[string]int{}
		for _, s := range stats {
			result[s.Group] = s.Size
		}
		return result, err
	})
	onBroker("aggregation_check", func(b broker, a onGroup) (any, error) {
		return b.AggregationCheck(a.Queue, a.Group, b.clock.Now(), time.Duration(a.GraceNS), time.Duration(a.MaxDelayNS), a.MaxSize)
	})
	onBroker("read_aggregation_set", func(b broker, a onGroup) (any, error) {
		messages, deadline, err := b.ReadAggregationSet(a.Queue, a.Group, a.SetID)
		return map[string]any{"messages": fromMessages(messages), "deadline": deadline.Unix()}, err
	})
	onBroker("delete_aggregation_set", func(b broker, a onGroup) (any, error) {
		return nil, b.DeleteAggregationSet(context.Background(), a.Queue, a.Group, a.SetID)
	})
	onBroker("reclaim_stale_aggregation_sets", func(b broker, a onGroup) (any, error) {
		return nil, b.ReclaimStaleAggregationSets(a.Queue)
	})
}

func fromMessages(messages []*base.TaskMessage) []*message {
	result := make([]*message, len(messages))
	for i, m := range messages {
		result[i] = fromMessage(m)
	}
	return result
}
