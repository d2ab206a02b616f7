package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	wal "github.com/hashicorp/raft-wal"
)

const snapshotsRetained = 2

// store keeps the log, and term and vote.
type store interface {
	raft.LogStore
	raft.StableStore
}

// node is a Raft node with all that it is made of.
type node struct {
	options   *options
	raft      *raft.Raft
	state     *state
	transport *raft.NetworkTransport
	store     store
}

// addressBook answers with the addresses of --transport, so that a proxy can stand in each link.
type addressBook map[string]string

func (b addressBook) ServerAddr(id raft.ServerID) (raft.ServerAddress, error) {
	address, ok := b[string(id)]
	if !ok {
		return "", fmt.Errorf("no address of %s", id)
	}
	return raft.ServerAddress(address), nil
}

func openStore(kind, dir string, newTimes bool) (store, error) {
	switch kind {
	case "inmem":
		return raft.NewInmemStore(), nil
	case "wal":
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		return wal.Open(dir)
	case "boltdb":
		return raftboltdb.New(raftboltdb.Options{
			Path: dir + ".bolt", MsgpackUseNewTimeFormat: newTimes,
		})
	}
	return nil, fmt.Errorf("--store must be boltdb, inmem or wal, got %q", kind)
}

func openSnapshots(kind, dir string, logger hclog.Logger) (raft.SnapshotStore, error) {
	switch kind {
	case "file":
		return raft.NewFileSnapshotStoreWithLogger(dir, snapshotsRetained, logger)
	case "inmem":
		return raft.NewInmemSnapshotStore(), nil
	case "discard":
		return raft.NewDiscardSnapshotStore(), nil
	}
	return nil, fmt.Errorf("--snapshots must be file, inmem or discard, got %q", kind)
}

func newFSM(kind string, state *state) (raft.FSM, error) {
	switch kind {
	case "plain":
		return plainFSM{state}, nil
	case "batching":
		return batchingFSM{state}, nil
	case "configstore":
		return configFSM{state}, nil
	}
	return nil, fmt.Errorf("--fsm must be plain, batching or configstore, got %q", kind)
}

func (o *options) openTransport(t *transportOptions, logger hclog.Logger) (*raft.NetworkTransport, error) {
	config := &raft.NetworkTransportConfig{
		Logger:                  logger,
		MaxPool:                 3,
		MaxRPCsInFlight:         t.MaxRPCsInFlight,
		Timeout:                 milliseconds(10_000),
		MsgpackUseNewTimeFormat: t.MsgpackUseNewTimeFormat,
	}
	set(&config.MaxPool, t.MaxPool)
	setDuration(&config.Timeout, t.Timeout)
	if t.Addresses != nil {
		config.ServerAddressProvider = addressBook(t.Addresses)
	}
	var advertise net.Addr
	if o.advertise != "" {
		address, err := net.ResolveTCPAddr("tcp", o.advertise)
		if err != nil {
			return nil, err
		}
		advertise = address
	}
	return raft.NewTCPTransportWithConfig(o.bind, advertise, config)
}

// recoverCluster does what an operator does after a quorum was lost.
func (n *node) recoverCluster(c *raft.Config, fsm raft.FSM, snapshots raft.SnapshotStore) error {
	read := raft.ReadConfigJSON
	if c.ProtocolVersion < 3 {
		read = raft.ReadPeersJSON
	}
	configuration, err := read(n.options.peersJSON)
	if err != nil {
		return err
	}
	return raft.RecoverCluster(c, fsm, n.store, n.store, snapshots, n.transport, configuration)
}

func startNode(o *options) (*node, error) {
	logger := hclog.New(&hclog.LoggerOptions{
		Name: o.id, Level: hclog.LevelFromString(o.logLevel), Output: os.Stderr,
	})
	config, err := o.raftConfig(logger)
	if err != nil {
		return nil, err
	}
	t, err := o.transportOptions()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.data, 0o755); err != nil {
		return nil, err
	}
	n := &node{options: o, state: newState()}
	if n.transport, err = o.openTransport(t, logger); err != nil {
		return nil, err
	}
	path := filepath.Join(o.data, "raft")
	if n.store, err = openStore(o.store, path, t.MsgpackUseNewTimeFormat); err != nil {
		return nil, err
	}
	snapshots, err := openSnapshots(o.snapshots, o.data, logger)
	if err != nil {
		return nil, err
	}
	fsm, err := newFSM(o.fsm, n.state)
	if err != nil {
		return nil, err
	}
	if o.peersJSON != "" {
		if err := n.recoverCluster(config, fsm, snapshots); err != nil {
			return nil, err
		}
	}
	n.raft, err = raft.NewRaft(config, fsm, n.store, n.store, snapshots, n.transport)
	return n, err
}

func (n *node) close() error {
	err := n.raft.Shutdown().Error()
	_ = n.transport.Close()
	if closer, ok := n.store.(io.Closer); ok {
		_ = closer.Close()
	}
	return err
}
