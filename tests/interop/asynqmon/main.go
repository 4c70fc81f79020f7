// Asynqmon, the web interface of asynq, on the Redis that the first argument names: a URI as asynq reads them. It prints its address.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/hibiken/asynq"
	"github.com/hibiken/asynqmon"
)

func main() {
	opt, err := asynq.ParseRedisURI(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	handler := asynqmon.New(asynqmon.Options{RootPath: "/", RedisConnOpt: opt})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, handler))
}
