package main

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/hashicorp/raft"
)

// maxSafe is the largest integer that every double below it can hold exactly.
const maxSafe = 1<<53 - 1

var fullHeader = raft.RPCHeader{
	ProtocolVersion: 3,
	ID:              []byte("6f1cfbb8-3a7c-4d3c-9f0a-2f2f1d1b7a55"),
	Addr:            []byte("10.1.2.3:8300"),
}

var emptyHeader = raft.RPCHeader{ProtocolVersion: 0, ID: []byte{}, Addr: []byte{}}

func run(count int) []byte { return bytes.Repeat([]byte{0xab}, count) }

// unsigned and signed hold the last number of each width and the first of the next.
var unsigned = []uint64{
	0, 1, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000,
	math.MaxInt32, math.MaxInt32 + 1, math.MaxUint32, math.MaxUint32 + 1, maxSafe,
}

var signed = []int64{
	0, 1, 0x7f, 0x80, 0xff, 0x100, 200, 40000, 0x7fff, 0x8000, 0xffff, 0x10000,
	math.MaxInt32, math.MaxInt32 + 1, math.MaxUint32, math.MaxUint32 + 1, maxSafe,
	-1, -32, -33, -128, -129, -32768, -32769, math.MinInt32, math.MinInt32 - 1, -maxSafe,
}

var lengths = []int{0, 1, 31, 32, 255, 256, 65535, 65536}

func zones() map[string]time.Time {
	at := time.Date(2022, 7, 8, 22, 47, 48, 235162000, time.UTC)
	in := func(seconds int) time.Time { return at.In(time.FixedZone("", seconds)) }
	return map[string]time.Time{
		"01 zero":                   {},
		"02 utc":                    at,
		"03 zone 0 that is not utc": in(0),
		"04 east":                   in(7 * 3600),
		"05 west":                   in(-(5*3600 + 30*60)),
		"06 east with seconds":      in(3600 + 17),
		"07 epoch":                  time.Unix(0, 0).UTC(),
		"08 before the epoch":       time.Unix(-1, 999_999_999).UTC(),
		"09 whole seconds":          time.Unix(1_700_000_000, 0).UTC(),
		"10 last nanosecond":        time.Unix(1_700_000_000, 999_999_999).UTC(),
		"11 beyond 32 bits":         time.Unix(math.MaxUint32+1, 5).UTC(),
		"12 beyond 32 bits, whole":  time.Unix(math.MaxUint32+1, 0).UTC(),
		"13 beyond 34 bits":         time.Unix(1<<34, 1).UTC(),
		"14 year 1":                 time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC),
		"15 year 9999":              time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
		"16 before year 1":          time.Date(-5, 3, 1, 0, 0, 0, 0, time.UTC),
	}
}

func log(index uint64, data []byte) *raft.Log {
	return &raft.Log{
		Index: index, Term: 7, Type: raft.LogCommand, Data: data,
		AppendedAt: time.Date(2024, 2, 29, 12, 0, 0, 123456789, time.UTC),
	}
}

// withHeader gives one of each message, all fields set.
func withHeader(h raft.RPCHeader) []any {
	b := h.Addr
	return []any{
		&raft.AppendEntriesRequest{
			RPCHeader: h, Term: 7, Leader: b, PrevLogEntry: 99, PrevLogTerm: 6, LeaderCommitIndex: 98,
			Entries: []*raft.Log{log(100, []byte("first")), log(101, b)},
		},
		&raft.AppendEntriesResponse{RPCHeader: h, Term: 7, LastLog: 101, Success: true, NoRetryBackoff: true},
		&raft.RequestVoteRequest{
			RPCHeader: h, Term: 8, Candidate: b, LastLogIndex: 300, LastLogTerm: 7, LeadershipTransfer: true,
		},
		&raft.RequestVoteResponse{RPCHeader: h, Term: 8, Peers: b, Granted: true},
		&raft.RequestPreVoteRequest{RPCHeader: h, Term: 8, LastLogIndex: 300, LastLogTerm: 7},
		&raft.RequestPreVoteResponse{RPCHeader: h, Term: 8, Granted: true},
		&raft.InstallSnapshotRequest{
			RPCHeader: h, SnapshotVersion: 1, Term: 8, Leader: b, LastLogIndex: 70000, LastLogTerm: 7,
			Peers: b, Configuration: b, ConfigurationIndex: 3, Size: 40000,
		},
		&raft.InstallSnapshotResponse{RPCHeader: h, Term: 8, Success: true},
		&raft.TimeoutNowRequest{RPCHeader: h},
		&raft.TimeoutNowResponse{RPCHeader: h},
	}
}

func messages() []vector {
	all := []vector{}
	add := func(name string, value any) {
		kind := strings.TrimPrefix(fmt.Sprintf("%T", value), "*raft.")
		all = append(all, plain(kind, name, value))
	}
	for _, zero := range []any{
		&raft.AppendEntriesRequest{}, &raft.AppendEntriesResponse{},
		&raft.RequestVoteRequest{}, &raft.RequestVoteResponse{},
		&raft.RequestPreVoteRequest{}, &raft.RequestPreVoteResponse{},
		&raft.InstallSnapshotRequest{}, &raft.InstallSnapshotResponse{},
		&raft.TimeoutNowRequest{}, &raft.TimeoutNowResponse{}, &raft.Log{},
	} {
		add("zero", zero)
	}
	for name, h := range map[string]raft.RPCHeader{"typical": fullHeader, "empty, not nil": emptyHeader} {
		for _, message := range withHeader(h) {
			add(name, message)
		}
	}
	add("heartbeat", &raft.AppendEntriesRequest{RPCHeader: fullHeader, Term: 7, Leader: fullHeader.Addr})
	add("no entries, not nil", &raft.AppendEntriesRequest{Entries: []*raft.Log{}})
	for _, count := range []int{15, 16, 17} {
		entries := []*raft.Log{}
		for i := 0; i < count; i++ {
			entries = append(entries, log(uint64(i+1), nil))
		}
		add(fmt.Sprintf("%d entries", count), &raft.AppendEntriesRequest{Entries: entries})
	}
	for _, n := range unsigned {
		add(fmt.Sprintf("unsigned %d", n), &raft.AppendEntriesResponse{Term: n, LastLog: n})
	}
	for _, n := range signed {
		add(fmt.Sprintf("signed %d", n), &raft.InstallSnapshotRequest{Size: n})
	}
	for _, length := range lengths {
		add(fmt.Sprintf("%d bytes", length), &raft.Log{Data: run(length), Extensions: run(length)})
	}
	for kind := raft.LogCommand; kind <= raft.LogConfiguration; kind++ {
		add(fmt.Sprintf("type %d", kind), &raft.Log{Index: 1, Type: kind})
	}
	return sortedByName(all)
}

func configurations() []vector {
	all := []vector{}
	add := func(name string, configuration raft.Configuration) {
		all = append(all, newVector(
			name, "Configuration", describe(configuration), raft.EncodeConfiguration(configuration),
		))
	}
	server := func(suffrage raft.ServerSuffrage, id, address string) raft.Server {
		return raft.Server{Suffrage: suffrage, ID: raft.ServerID(id), Address: raft.ServerAddress(address)}
	}
	add("no servers", raft.Configuration{})
	add("one voter", raft.Configuration{Servers: []raft.Server{server(raft.Voter, "a", "b")}})
	add("every suffrage", raft.Configuration{Servers: []raft.Server{
		server(raft.Voter, "6f1cfbb8-3a7c-4d3c-9f0a-2f2f1d1b7a55", "10.1.2.3:8300"),
		server(raft.Nonvoter, "nœud", "[::1]:8300"),
		server(raft.Staging, "", ""),
	}})
	for _, length := range []int{31, 32, 255, 256, 65535, 65536} {
		name := strings.Repeat("n", length)
		add(fmt.Sprintf("names of %d", length), raft.Configuration{
			Servers: []raft.Server{server(raft.Voter, name, name)},
		})
	}
	for _, count := range []int{15, 16, 70} {
		servers := []raft.Server{}
		for i := 0; i < count; i++ {
			servers = append(servers, server(raft.Voter, fmt.Sprintf("id%d", i), fmt.Sprintf("h:%d", i)))
		}
		add(fmt.Sprintf("%d servers", count), raft.Configuration{Servers: servers})
	}
	peers := func(name string, addresses [][]byte) {
		all = append(all, newVector(name, "Peers", describe(addresses), encode(false, addresses)))
	}
	peers("no peers", nil)
	peers("one peer", [][]byte{[]byte("over here")})
	peers("three peers", [][]byte{[]byte("10.1.2.3:8300"), []byte("[::1]:8300"), []byte("x")})
	return all
}

func scalars() []vector {
	all := []vector{}
	for _, n := range unsigned {
		all = append(all, newVector(fmt.Sprint(n), "uint64", fmt.Sprint(n), encode(false, n)))
	}
	for _, n := range signed {
		all = append(all, newVector(fmt.Sprint(n), "int64", fmt.Sprint(n), encode(false, n)))
	}
	for _, length := range lengths {
		all = append(all, newVector(fmt.Sprint(length), "bytes", describe(run(length)), encode(false, run(length))))
		text := strings.Repeat("s", length)
		all = append(all, newVector(fmt.Sprint(length), "string", describe(text), encode(false, text)))
	}
	all = append(all, newVector("nil", "bytes", nil, encode(false, []byte(nil))))
	for name, at := range zones() {
		all = append(all, newVector(name, "time", describe(at), encode(false, at)))
		recent := newVector(name, "time", describe(at), encode(true, at))
		recent.NewTime = true
		all = append(all, recent)
	}
	return sortedByName(all)
}
