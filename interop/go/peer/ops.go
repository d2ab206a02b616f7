package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/hashicorp/raft"
)

// server is a member, as requests and replies write it.
type server struct {
	ID       string `json:"id"`
	Address  string `json:"address"`
	Suffrage string `json:"suffrage"`
}

// request is one line of the input.
type request struct {
	ID          json.RawMessage   `json:"id"`
	Op          string            `json:"op"`
	Cmd         json.RawMessage   `json:"cmd"`
	Cmds        []json.RawMessage `json:"cmds"`
	Timeout     float64           `json:"timeout"`
	Key         string            `json:"key"`
	Mode        string            `json:"mode"`
	Servers     []server          `json:"servers"`
	Server      string            `json:"server"`
	Address     string            `json:"address"`
	PrevIndex   uint64            `json:"prevIndex"`
	Path        string            `json:"path"`
	Config      json.RawMessage   `json:"config"`
	Seconds     float64           `json:"seconds"`
	Concurrency int               `json:"concurrency"`
	Size        int               `json:"size"`
	Warmup      float64           `json:"warmup"`
}

// ops are what a peer can be asked, but for shutdown, which ends it.
var ops = map[string]func(*node, *request) (object, error){
	"bootstrap":     (*node).bootstrap,
	"apply":         (*node).apply,
	"applyMany":     (*node).applyMany,
	"barrier":       (*node).barrier,
	"verifyLeader":  (*node).verifyLeader,
	"get":           (*node).get,
	"addVoter":      (*node).addVoter,
	"addNonvoter":   (*node).addNonvoter,
	"demoteVoter":   (*node).demoteVoter,
	"removeServer":  (*node).removeServer,
	"transfer":      (*node).transfer,
	"snapshot":      (*node).snapshot,
	"restore":       (*node).restore,
	"reload":        (*node).reload,
	"configuration": (*node).configuration,
	"state":         (*node).describe,
	"fsm":           (*node).describeFSM,
	"dump":          (*node).dump,
	"bench":         (*node).bench,
}

func suffrageOf(text string) (raft.ServerSuffrage, error) {
	switch text {
	case "", "Voter":
		return raft.Voter, nil
	case "Nonvoter":
		return raft.Nonvoter, nil
	}
	return 0, fmt.Errorf("suffrage must be Voter or Nonvoter, got %q", text)
}

func (n *node) bootstrap(r *request) (object, error) {
	configuration := raft.Configuration{}
	for _, s := range r.Servers {
		suffrage, err := suffrageOf(s.Suffrage)
		if err != nil {
			return nil, err
		}
		configuration.Servers = append(configuration.Servers, raft.Server{
			ID: raft.ServerID(s.ID), Address: raft.ServerAddress(s.Address), Suffrage: suffrage,
		})
	}
	return nil, n.raft.BootstrapCluster(configuration).Error()
}

func resultOf(future raft.ApplyFuture) (object, error) {
	if err := future.Error(); err != nil {
		return nil, err
	}
	return object{"index": future.Index(), "response": future.Response()}, nil
}

func (n *node) apply(r *request) (object, error) {
	return resultOf(n.raft.Apply(r.Cmd, milliseconds(r.Timeout)))
}

func (n *node) applyMany(r *request) (object, error) {
	futures := make([]raft.ApplyFuture, len(r.Cmds))
	for at, cmd := range r.Cmds {
		futures[at] = n.raft.Apply(cmd, milliseconds(r.Timeout))
	}
	results := make([]object, len(futures))
	for at, future := range futures {
		result, err := resultOf(future)
		results[at] = outcome(result, err)
	}
	return object{"results": results}, nil
}

// outcome adds to a result whether there is one.
func outcome(result object, err error) object {
	if err != nil {
		return object{"ok": false, "error": err.Error()}
	}
	if result == nil {
		result = object{}
	}
	result["ok"] = true
	return result
}

func (n *node) barrier(r *request) (object, error) {
	return nil, n.raft.Barrier(milliseconds(r.Timeout)).Error()
}

func (n *node) verifyLeader(*request) (object, error) {
	return nil, n.raft.VerifyLeader().Error()
}

func (n *node) get(r *request) (object, error) {
	if r.Mode == "linear" {
		if err := n.raft.Barrier(milliseconds(r.Timeout)).Error(); err != nil {
			return nil, err
		}
	}
	return object{"value": n.state.read(r.Key), "appliedIndex": n.raft.AppliedIndex()}, nil
}

func indexOf(future raft.IndexFuture) (object, error) {
	if err := future.Error(); err != nil {
		return nil, err
	}
	return object{"index": future.Index()}, nil
}

func (r *request) member() (raft.ServerID, raft.ServerAddress) {
	return raft.ServerID(r.Server), raft.ServerAddress(r.Address)
}

func (n *node) addVoter(r *request) (object, error) {
	id, address := r.member()
	return indexOf(n.raft.AddVoter(id, address, r.PrevIndex, milliseconds(r.Timeout)))
}

func (n *node) addNonvoter(r *request) (object, error) {
	id, address := r.member()
	return indexOf(n.raft.AddNonvoter(id, address, r.PrevIndex, milliseconds(r.Timeout)))
}

func (n *node) demoteVoter(r *request) (object, error) {
	id, _ := r.member()
	return indexOf(n.raft.DemoteVoter(id, r.PrevIndex, milliseconds(r.Timeout)))
}

func (n *node) removeServer(r *request) (object, error) {
	id, _ := r.member()
	return indexOf(n.raft.RemoveServer(id, r.PrevIndex, milliseconds(r.Timeout)))
}

func (n *node) transfer(r *request) (object, error) {
	id, address := r.member()
	if id == "" {
		return nil, n.raft.LeadershipTransfer().Error()
	}
	return nil, n.raft.LeadershipTransferToServer(id, address).Error()
}

func (n *node) snapshot(*request) (object, error) {
	future := n.raft.Snapshot()
	if err := future.Error(); err != nil {
		return nil, err
	}
	if n.options.snapshots == "discard" {
		return object{"meta": nil}, nil
	}
	meta, reader, err := future.Open()
	if err != nil {
		return nil, err
	}
	_ = reader.Close()
	return object{"meta": object{
		"id": meta.ID, "index": meta.Index, "term": meta.Term, "size": meta.Size,
	}}, nil
}

func (n *node) restore(r *request) (object, error) {
	if r.Path == "" {
		return nil, errors.New("path is required")
	}
	directory := filepath.Dir(filepath.Dir(r.Path))
	snapshots, err := openSnapshots("file", directory, nil)
	if err != nil {
		return nil, err
	}
	meta, reader, err := snapshots.Open(filepath.Base(r.Path))
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	return nil, n.raft.Restore(meta, reader, milliseconds(r.Timeout))
}

func (n *node) reload(r *request) (object, error) {
	config, err := reloadedConfig(n.raft.ReloadableConfig(), r.Config)
	if err != nil {
		return nil, err
	}
	return nil, n.raft.ReloadConfig(config)
}

func (n *node) configuration(*request) (object, error) {
	future := n.raft.GetConfiguration()
	if err := future.Error(); err != nil {
		return nil, err
	}
	servers := []server{}
	for _, s := range future.Configuration().Servers {
		servers = append(servers, server{string(s.ID), string(s.Address), s.Suffrage.String()})
	}
	return object{"servers": servers, "index": future.Index()}, nil
}

// stateAndTerm reads both of one moment: the term is raised after a leader has become a follower.
func (n *node) stateAndTerm() (raft.RaftState, uint64) {
	for {
		term := n.raft.CurrentTerm()
		state := n.raft.State()
		if n.raft.CurrentTerm() == term {
			return state, term
		}
	}
}

func (n *node) describe(*request) (object, error) {
	address, id := n.raft.LeaderWithID()
	state, term := n.stateAndTerm()
	stats := n.raft.Stats()
	snapshot, _ := strconv.ParseUint(stats["last_snapshot_index"], 10, 64)
	return object{
		"state": state.String(), "term": term, "leaderId": id, "leaderAddress": address,
		"lastIndex": n.raft.LastIndex(), "commitIndex": n.raft.CommitIndex(),
		"appliedIndex": n.raft.AppliedIndex(), "lastSnapshotIndex": snapshot, "stats": stats,
	}, nil
}

func (n *node) describeFSM(*request) (object, error) {
	return n.state.describe(), nil
}

func (n *node) dump(*request) (object, error) {
	return object{"data": n.state.copyOfData()}, nil
}
