package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"sync"
)

// So long a file becomes at most: what a process may write while the size of its files is limited (tests/services/disk.py).
const fileBytesMax = 1 << 20

// A ledger notes what a process does that may be killed at any moment: JSON lines, one write each, as tests/chaos/ledger.py.
type ledger struct {
	mutex  sync.Mutex
	path   string
	number int
	left   int
	file   *os.File
}

type line struct {
	Event   string `json:"event"`
	Kind    string `json:"kind"`
	ID      string `json:"id,omitempty"`
	Attempt int    `json:"attempt"`
	Error   string `json:"error,omitempty"`
}

func (l *ledger) note(one line) {
	text, err := json.Marshal(one)
	if err != nil {
		log.Fatal(err)
	}
	text = append(text, '\n')
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if len(text) > l.left {
		l.turn()
	}
	l.left -= len(text)
	if _, err := l.file.Write(text); err != nil {
		log.Fatal(err)
	}
}

func (l *ledger) turn() {
	file, err := os.OpenFile(fmt.Sprintf("%s.%d.jsonl", l.path, l.number), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	l.number++
	l.file, l.left = file, fileBytesMax
}
