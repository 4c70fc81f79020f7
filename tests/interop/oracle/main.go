// The oracle answers what Go's asynq v0.26.0 does. It reads one JSON object per line and writes one per line; README.md lists the
// operations. Its module path lies under github.com/hibiken/asynq, so that it may import asynq's internal packages.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/hibiken/asynq"
	asynqerrors "github.com/hibiken/asynq/internal/errors"
)

// request is one line of input. Args are those of the operation; an unknown argument is an error.
type request struct {
	ID   int64           `json:"id"`
	Op   string          `json:"op"`
	Args json.RawMessage `json:"args"`
}

// answer is one line of output that belongs to the request with the same ID.
type answer struct {
	ID    int64    `json:"id"`
	Ok    any      `json:"ok"`
	Error *failure `json:"error,omitempty"`
}

// failure tells an error as text, and by the names that Go programs test it for.
type failure struct {
	Text string   `json:"text"`
	Code string   `json:"code"`
	Is   []string `json:"is"`
}

var operations = map[string]func(json.RawMessage) (any, error){}

// register adds an operation whose arguments are of type A.
func register[A any](name string, run func(A) (any, error)) {
	operations[name] = func(raw json.RawMessage) (any, error) {
		var args A
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&args); err != nil {
			return nil, fmt.Errorf("oracle: arguments of %s: %w", name, err)
		}
		return run(args)
	}
}

var output struct {
	sync.Mutex
	*json.Encoder
}

// emit writes one line; answers and events come from several goroutines.
func emit(line any) {
	output.Lock()
	defer output.Unlock()
	if err := output.Encode(line); err != nil {
		fmt.Fprintln(os.Stderr, "oracle:", err)
		os.Exit(1)
	}
}

func main() {
	output.Encoder = json.NewEncoder(os.Stdout)
	registerCodec()
	registerBroker()
	registerBrokerInspection()
	registerClient()
	registerServer()
	registerInspector()
	reader := bufio.NewReaderSize(os.Stdin, 1<<20)
	for {
		line, err := reader.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			serve(line)
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "oracle:", err)
			os.Exit(1)
		}
	}
}

func serve(line []byte) {
	var r request
	if err := json.Unmarshal(line, &r); err != nil {
		emit(answer{Error: describe(fmt.Errorf("oracle: not a request: %w", err))})
		return
	}
	if len(r.Args) == 0 {
		r.Args = json.RawMessage("{}")
	}
	run, known := operations[r.Op]
	if !known {
		emit(answer{ID: r.ID, Error: describe(fmt.Errorf("oracle: no operation %q", r.Op))})
		return
	}
	ok, err := guarded(run, r.Args)
	if err != nil {
		emit(answer{ID: r.ID, Error: describe(err)})
		return
	}
	emit(answer{ID: r.ID, Ok: ok})
}

// guarded makes an error of a panic: asynq panics on some wrong input, and that is an answer too.
func guarded(run func(json.RawMessage) (any, error), args json.RawMessage) (ok any, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	return run(args)
}

var sentinels = []struct {
	name string
	err  error
}{
	{"ErrDuplicateTask", asynq.ErrDuplicateTask},
	{"ErrTaskIDConflict", asynq.ErrTaskIDConflict},
	{"ErrQueueNotFound", asynq.ErrQueueNotFound},
	{"ErrQueueNotEmpty", asynq.ErrQueueNotEmpty},
	{"ErrTaskNotFound", asynq.ErrTaskNotFound},
	{"ErrServerClosed", asynq.ErrServerClosed},
	{"rdb.ErrNoProcessableTask", asynqerrors.ErrNoProcessableTask},
	{"rdb.ErrDuplicateTask", asynqerrors.ErrDuplicateTask},
	{"rdb.ErrTaskIdConflict", asynqerrors.ErrTaskIdConflict},
}

func describe(err error) *failure {
	f := &failure{Text: err.Error(), Code: fmt.Sprint(asynqerrors.CanonicalCode(err)), Is: []string{}}
	for _, s := range sentinels {
		if errors.Is(err, s.err) {
			f.Is = append(f.Is, s.name)
		}
	}
	if asynqerrors.IsQueueNotFound(err) {
		f.Is = append(f.Is, "rdb.QueueNotFoundError")
	}
	if asynqerrors.IsTaskNotFound(err) {
		f.Is = append(f.Is, "rdb.TaskNotFoundError")
	}
	return f
}

// none is for operations without arguments or result.
type none struct{}
