package main

import "encoding/binary"

// taskMessage holds the fields of asynq's TaskMessage that a producer sets.
type taskMessage struct {
	typ       string
	payload   []byte
	id        string
	queue     string
	retry     int32
	timeout   int64
	retention int64
}

// encode writes proto3: a field that has its zero value is left out.
func (m taskMessage) encode() []byte {
	var out []byte
	out = appendBytes(out, 1, []byte(m.typ))
	out = appendBytes(out, 2, m.payload)
	out = appendBytes(out, 3, []byte(m.id))
	out = appendBytes(out, 4, []byte(m.queue))
	out = appendInt(out, 5, int64(m.retry))
	out = appendInt(out, 8, m.timeout)
	return appendInt(out, 12, m.retention)
}

func appendBytes(out []byte, number uint64, value []byte) []byte {
	if len(value) == 0 {
		return out
	}
	out = binary.AppendUvarint(out, number<<3|2)
	out = binary.AppendUvarint(out, uint64(len(value)))
	return append(out, value...)
}

func appendInt(out []byte, number uint64, value int64) []byte {
	if value == 0 {
		return out
	}
	out = binary.AppendUvarint(out, number<<3)
	return binary.AppendUvarint(out, uint64(value))
}
