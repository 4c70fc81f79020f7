package main

import (
	"strings"

	"github.com/hibiken/asynq"
)

// connOpt is asynq's ParseRedisURI, and for a cluster, which asynq has no URI for, redis-cluster://host:port,host:port.
func connOpt(uri string) (asynq.RedisConnOpt, error) {
	if addrs, isCluster := strings.CutPrefix(uri, "redis-cluster://"); isCluster {
		return asynq.RedisClusterClientOpt{Addrs: strings.Split(addrs, ",")}, nil
	}
	return asynq.ParseRedisURI(uri)
}
