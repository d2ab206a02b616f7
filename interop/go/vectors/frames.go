package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sort"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// A recorder is a stream layer of pipes: what a NetworkTransport writes comes out of the other end.
type recorder struct {
	incoming chan net.Conn
	dialled  chan net.Conn
}

func newRecorder() *recorder {
	return &recorder{incoming: make(chan net.Conn), dialled: make(chan net.Conn, 1)}
}

func (r *recorder) Accept() (net.Conn, error) {
	conn, ok := <-r.incoming
	if !ok {
		return nil, errors.New("closed")
	}
	return conn, nil
}

func (r *recorder) Close() error   { close(r.incoming); return nil }
func (r *recorder) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func (r *recorder) Dial(raft.ServerAddress, time.Duration) (net.Conn, error) {
	near, far := net.Pipe()
	r.dialled <- far
	return near, nil
}

func transportOver(layer raft.StreamLayer, newTime bool) *raft.NetworkTransport {
	return raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: layer, MaxPool: 1, Timeout: 10 * time.Second,
		Logger: hclog.NewNullLogger(), MsgpackUseNewTimeFormat: newTime,
	})
}

// readUntilQuiet reads what arrives until nothing has for a while.
func readUntilQuiet(conn net.Conn) []byte {
	var got bytes.Buffer
	buffer := make([]byte, 64*1024)
	for {
		_ = conn.SetReadDeadline(time.Now().Add(150 * time.Millisecond))
		n, err := conn.Read(buffer)
		got.Write(buffer[:n])
		if err != nil {
			return got.Bytes()
		}
	}
}

// requestFrame is what a transport sends for a call.
func requestFrame(newTime bool, call func(*raft.NetworkTransport)) []byte {
	layer := newRecorder()
	transport := transportOver(layer, newTime)
	defer transport.Close()
	done := make(chan struct{})
	go func() { defer close(done); call(transport) }()
	conn := <-layer.dialled
	got := readUntilQuiet(conn)
	conn.Close()
	<-done
	return got
}

// replyFrame is what a transport sends back for a TimeoutNow that is answered like this.
func replyFrame(response any, failure error) []byte {
	layer := newRecorder()
	transport := transportOver(layer, false)
	defer transport.Close()
	near, far := net.Pipe()
	layer.incoming <- far
	go func() {
		rpc := <-transport.Consumer()
		if rpc.Reader != nil {
			_, _ = io.Copy(io.Discard, rpc.Reader)
		}
		rpc.Respond(response, failure)
	}()
	frame := append([]byte{3}, encode(false, &raft.TimeoutNowRequest{})...)
	if _, err := near.Write(frame); err != nil {
		panic(err)
	}
	got := readUntilQuiet(near)
	near.Close()
	return got
}

func frames() []vector {
	all := []vector{}
	request := func(name, kind string, value any, newTime bool, call func(*raft.NetworkTransport)) {
		v := newVector(name, kind, describe(value), requestFrame(newTime, call))
		v.NewTime = newTime
		all = append(all, v)
	}
	appendEntries := &raft.AppendEntriesRequest{
		RPCHeader: fullHeader, Term: 7, Entries: []*raft.Log{log(1, []byte("x"))},
	}
	for _, newTime := range []bool{false, true} {
		request("append entries", "AppendEntriesRequest", appendEntries, newTime, func(t *raft.NetworkTransport) {
			_ = t.AppendEntries("id", "target", appendEntries, &raft.AppendEntriesResponse{})
		})
	}
	vote := &raft.RequestVoteRequest{RPCHeader: fullHeader, Term: 8}
	request("request vote", "RequestVoteRequest", vote, false, func(t *raft.NetworkTransport) {
		_ = t.RequestVote("id", "target", vote, &raft.RequestVoteResponse{})
	})
	preVote := &raft.RequestPreVoteRequest{RPCHeader: fullHeader, Term: 8}
	request("request pre-vote", "RequestPreVoteRequest", preVote, false, func(t *raft.NetworkTransport) {
		_ = t.RequestPreVote("id", "target", preVote, &raft.RequestPreVoteResponse{})
	})
	timeoutNow := &raft.TimeoutNowRequest{RPCHeader: fullHeader}
	request("timeout now", "TimeoutNowRequest", timeoutNow, false, func(t *raft.NetworkTransport) {
		_ = t.TimeoutNow("id", "target", timeoutNow, &raft.TimeoutNowResponse{})
	})
	snapshot := &raft.InstallSnapshotRequest{RPCHeader: fullHeader, Term: 8, Size: 5}
	request("install snapshot and its 5 bytes", "InstallSnapshotRequest", snapshot, false, func(t *raft.NetworkTransport) {
		state := bytes.NewReader([]byte("state"))
		_ = t.InstallSnapshot("id", "target", snapshot, &raft.InstallSnapshotResponse{}, state)
	})
	reply := func(name, kind string, value any, failure error) {
		text := ""
		if failure != nil {
			text = failure.Error()
		}
		described := map[string]any{"error": text, "response": describe(value)}
		all = append(all, newVector(name, "reply:"+kind, described, replyFrame(value, failure)))
	}
	response := &raft.AppendEntriesResponse{Term: 4, LastLog: 90, Success: true}
	reply("response", "AppendEntriesResponse", response, nil)
	reply("response and error", "AppendEntriesResponse", response, errors.New("100% sure: it failed"))
	reply("vote", "RequestVoteResponse", &raft.RequestVoteResponse{Term: 100}, nil)
	reply("empty", "TimeoutNowResponse", &raft.TimeoutNowResponse{}, nil)
	all = append(all, newVector("error alone", "reply:TimeoutNowResponse",
		map[string]any{"error": "unexpected command", "response": nil},
		replyFrame(nil, errors.New("unexpected command"))))
	return all
}

// sortedByName keeps the files the same from run to run, whatever order maps were walked in.
func sortedByName(all []vector) []vector {
	sort.SliceStable(all, func(i, j int) bool {
		a, b := all[i], all[j]
		if a.Kind != b.Kind {
			return a.Kind < b.Kind
		}
		if a.Name != b.Name {
			return a.Name < b.Name
		}
		return !a.NewTime && b.NewTime
	})
	return all
}
