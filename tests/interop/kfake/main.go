// kfake is a second implementation of the Kafka API for tests: franz-go's own, in memory.
//
//	kfake -port 29092 [-release 2.3]
//
// With -release it speaks only what that release of Apache Kafka spoke. It runs until it is ended.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kversion"
)

func main() {
	port := flag.Int("port", 0, "where it listens on the loopback address")
	release := flag.String("release", "", "the release of Apache Kafka whose requests it knows; all when left out")
	flag.Parse()
	options := []kfake.Opt{kfake.NumBrokers(1), kfake.Ports(*port)}
	if *release != "" {
		versions := kversion.FromString(*release)
		if versions == nil {
			fmt.Fprintf(os.Stderr, "kfake: no release %q of Apache Kafka is known\n", *release)
			os.Exit(2)
		}
		options = append(options, kfake.MaxVersions(versions))
	}
	cluster, err := kfake.NewCluster(options...)
	if err != nil {
		fmt.Fprintf(os.Stderr, "kfake: %v\n", err)
		os.Exit(1)
	}
	defer cluster.Close()
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, os.Interrupt)
	<-ended
}
