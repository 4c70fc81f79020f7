package main

import (
	"fmt"
	"time"

	"github.com/robfig/cron/v3"
)

type cronArgs struct {
	Spec    string `json:"spec"`
	Zone    string `json:"zone"`
	AfterNS int64  `json:"after_ns"`
	Count   int    `json:"count"`
}

func init() {
	register("cron", nextFirings)
}

// nextFirings returns the next instants, in Unix nanoseconds, at which a spec fires for a scheduler whose Location is the zone; fewer if
// there are no more.
func nextFirings(args cronArgs) (firings any, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("oracle: panic: %v", panicked)
		}
	}()
	zone, err := time.LoadLocation(args.Zone)
	if err != nil {
		return nil, err
	}
	schedule, err := cron.ParseStandard(args.Spec)
	if err != nil {
		return nil, err
	}
	found := []int64{}
	for at := time.Unix(0, args.AfterNS).In(zone); len(found) < args.Count; {
		if at = schedule.Next(at); at.IsZero() {
			break
		}
		found = append(found, at.UnixNano())
	}
	return found, nil
}
