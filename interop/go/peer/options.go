package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// options are what the command line says.
type options struct {
	id, bind, advertise, peersJSON, data string
	store, snapshots, fsm, logLevel      string
	config, transport                    string
	observe                              bool
}

func parseOptions(arguments []string) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("peer", flag.ContinueOnError)
	flags.StringVar(&o.id, "id", "", "ServerID")
	flags.StringVar(&o.bind, "bind", "", "address to bind")
	flags.StringVar(&o.advertise, "advertise", "", "address that others are told")
	flags.StringVar(&o.peersJSON, "peers-json", "", "recover with the configuration in this file")
	flags.StringVar(&o.data, "data", "", "directory for log, stable store and snapshots")
	flags.StringVar(&o.store, "store", "boltdb", "boltdb, inmem or wal")
	flags.StringVar(&o.snapshots, "snapshots", "file", "file, inmem or discard")
	flags.StringVar(&o.config, "config", "{}", "fields of Config, in camelCase")
	flags.StringVar(&o.transport, "transport", "{}", "fields of the transport, in camelCase")
	flags.StringVar(&o.fsm, "fsm", "plain", "plain, batching or configstore")
	flags.BoolVar(&o.observe, "observe", false, "print observations")
	flags.StringVar(&o.logLevel, "log-level", "WARN", "level of the log on stderr")
	if err := flags.Parse(arguments); err != nil {
		return nil, err
	}
	if o.id == "" || o.bind == "" || o.data == "" {
		return nil, errors.New("--id, --bind and --data are required")
	}
	return o, nil
}

// transportOptions is the object of --transport.
type transportOptions struct {
	MaxPool                 *int              `json:"maxPool"`
	MaxRPCsInFlight         int               `json:"maxRPCsInFlight"`
	Timeout                 *float64          `json:"timeout"`
	MsgpackUseNewTimeFormat bool              `json:"msgpackUseNewTimeFormat"`
	Addresses               map[string]string `json:"addresses"`
}

func (o *options) transportOptions() (*transportOptions, error) {
	t := &transportOptions{}
	if err := decodeStrictly([]byte(o.transport), t); err != nil {
		return nil, fmt.Errorf("--transport: %w", err)
	}
	return t, nil
}

// configFields is the object of --config, and of the op reload; durations in milliseconds.
type configFields struct {
	ProtocolVersion          *int     `json:"protocolVersion"`
	HeartbeatTimeout         *float64 `json:"heartbeatTimeout"`
	ElectionTimeout          *float64 `json:"electionTimeout"`
	CommitTimeout            *float64 `json:"commitTimeout"`
	MaxAppendEntries         *int     `json:"maxAppendEntries"`
	BatchApplyCh             *bool    `json:"batchApplyCh"`
	ShutdownOnRemove         *bool    `json:"shutdownOnRemove"`
	TrailingLogs             *uint64  `json:"trailingLogs"`
	SnapshotInterval         *float64 `json:"snapshotInterval"`
	SnapshotThreshold        *uint64  `json:"snapshotThreshold"`
	LeaderLeaseTimeout       *float64 `json:"leaderLeaseTimeout"`
	NoSnapshotRestoreOnStart *bool    `json:"noSnapshotRestoreOnStart"`
	PreVoteDisabled          *bool    `json:"preVoteDisabled"`
	NoLegacyTelemetry        *bool    `json:"noLegacyTelemetry"`
}

func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

func setDuration(field *time.Duration, ms *float64) {
	if ms != nil {
		*field = milliseconds(*ms)
	}
}

func milliseconds(ms float64) time.Duration {
	return time.Duration(ms * float64(time.Millisecond))
}

// raftConfig is the default configuration with what --config changes.
func (o *options) raftConfig(logger hclog.Logger) (*raft.Config, error) {
	f := &configFields{}
	if err := decodeStrictly([]byte(o.config), f); err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(o.id)
	c.Logger = logger
	if f.ProtocolVersion != nil {
		c.ProtocolVersion = raft.ProtocolVersion(*f.ProtocolVersion)
	}
	setDuration(&c.HeartbeatTimeout, f.HeartbeatTimeout)
	setDuration(&c.ElectionTimeout, f.ElectionTimeout)
	setDuration(&c.CommitTimeout, f.CommitTimeout)
	set(&c.MaxAppendEntries, f.MaxAppendEntries)
	set(&c.BatchApplyCh, f.BatchApplyCh)
	set(&c.ShutdownOnRemove, f.ShutdownOnRemove)
	set(&c.TrailingLogs, f.TrailingLogs)
	setDuration(&c.SnapshotInterval, f.SnapshotInterval)
	set(&c.SnapshotThreshold, f.SnapshotThreshold)
	setDuration(&c.LeaderLeaseTimeout, f.LeaderLeaseTimeout)
	set(&c.NoSnapshotRestoreOnStart, f.NoSnapshotRestoreOnStart)
	set(&c.PreVoteDisabled, f.PreVoteDisabled)
	set(&c.NoLegacyTelemetry, f.NoLegacyTelemetry)
	return c, nil
}

// reloadedConfig is the reloadable configuration with what the fields change.
func reloadedConfig(now raft.ReloadableConfig, fields json.RawMessage) (raft.ReloadableConfig, error) {
	f := &configFields{}
	if err := decodeStrictly(fields, f); err != nil {
		return now, err
	}
	set(&now.TrailingLogs, f.TrailingLogs)
	setDuration(&now.SnapshotInterval, f.SnapshotInterval)
	set(&now.SnapshotThreshold, f.SnapshotThreshold)
	setDuration(&now.HeartbeatTimeout, f.HeartbeatTimeout)
	setDuration(&now.ElectionTimeout, f.ElectionTimeout)
	return now, nil
}
