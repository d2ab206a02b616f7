package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"maps"
	"math"
	"sync"
	"unicode/utf8"

	"github.com/hashicorp/raft"
)

const (
	foldStart  = 2166136261
	foldPrime  = 16777619
	maxInteger = 1<<53 - 1
)

// state is what commands change: a map, and a memory of every command there was.
type state struct {
	lock         sync.Mutex
	index, count uint64
	hash         [32]byte
	fold         uint32
	bulk         int64
	data         map[string]string
	configIndex  uint64
}

func newState() *state {
	return &state{fold: foldStart, data: map[string]string{}}
}

// Apply runs one command. Raw bytes are counted and folded; all else is JSON, also when it is bad.
func (s *state) Apply(log *raft.Log) any {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.index = log.Index
	s.count++
	if length := len(log.Data); length > 0 && log.Data[0] == 0 {
		s.fold = (s.fold ^ uint32(length+int(log.Data[length-1]))) * foldPrime
		return nil
	}
	digest := sha256.New()
	digest.Write(s.hash[:])
	var numbers [16]byte
	binary.BigEndian.PutUint64(numbers[:8], log.Index)
	binary.BigEndian.PutUint64(numbers[8:], log.Term)
	digest.Write(numbers[:])
	digest.Write(log.Data)
	digest.Sum(s.hash[:0])
	return s.run(log.Data)
}

// command reads fields one by one, because both implementations must find the same commands bad.
type command map[string]json.RawMessage

func (c command) text(field string) (string, bool) {
	var text *string
	if json.Unmarshal(c[field], &text) != nil || text == nil {
		return "", false
	}
	return *text, true
}

func (c command) textOrNull(field string) (text *string, ok bool) {
	raw, there := c[field]
	if !there {
		return nil, true
	}
	return text, json.Unmarshal(raw, &text) == nil && (text != nil || string(raw) == "null")
}

func (c command) size(field string) (int64, bool) {
	var size *float64
	if json.Unmarshal(c[field], &size) != nil || size == nil {
		return 0, false
	}
	whole := *size == math.Trunc(*size) && *size >= 0 && *size <= maxInteger
	return int64(*size), whole
}

func (s *state) run(data []byte) object {
	bad := object{"error": "bad command"}
	var c command
	if !utf8.Valid(data) || json.Unmarshal(data, &c) != nil {
		return bad
	}
	op, _ := c.text("op")
	if op == "bulk" {
		bytes, ok := c.size("bytes")
		if !ok {
			return bad
		}
		s.bulk = bytes
		return object{"bytes": bytes}
	}
	key, ok := c.text("key")
	if !ok {
		return bad
	}
	old := s.get(key)
	switch op {
	case "del":
		delete(s.data, key)
		return object{"prev": old}
	case "cas":
		return s.compareAndSet(c, key, old)
	}
	value, ok := c.text("value")
	switch {
	case ok && op == "set":
		s.data[key] = value
		return object{"prev": old}
	case ok && op == "append":
		s.data[key] += value
		return object{"value": s.data[key]}
	}
	return bad
}

func (s *state) compareAndSet(c command, key string, old *string) object {
	from, known := c.textOrNull("from")
	to, ok := c.text("to")
	if !known || !ok {
		return object{"error": "bad command"}
	}
	equal := (from == nil && old == nil) || (from != nil && old != nil && *from == *old)
	if equal {
		s.data[key] = to
	}
	return object{"ok": equal, "value": s.get(key)}
}

func (s *state) get(key string) *string {
	value, ok := s.data[key]
	if !ok {
		return nil
	}
	return &value
}

// read gives the value of a key, null when there is none.
func (s *state) read(key string) *string {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.get(key)
}

func (s *state) copyOfData() map[string]string {
	s.lock.Lock()
	defer s.lock.Unlock()
	return maps.Clone(s.data)
}

func (s *state) describe() object {
	s.lock.Lock()
	defer s.lock.Unlock()
	return object{
		"index": s.index, "count": s.count, "hash": hex.EncodeToString(s.hash[:]), "fold": s.fold,
		"size": len(s.data), "configIndex": s.configIndex,
	}
}

// plainFSM has no optional ability.
type plainFSM struct{ *state }

// batchingFSM applies many entries in one call.
type batchingFSM struct{ *state }

func (f batchingFSM) ApplyBatch(logs []*raft.Log) []any {
	responses := make([]any, len(logs))
	for at, log := range logs {
		if log.Type == raft.LogCommand {
			responses[at] = f.Apply(log)
		}
	}
	return responses
}

// configFSM is told every committed configuration.
type configFSM struct{ *state }

func (f configFSM) StoreConfiguration(index uint64, _ raft.Configuration) {
	f.lock.Lock()
	defer f.lock.Unlock()
	f.configIndex = index
}
