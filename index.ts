/**
 * Raft consensus with the API, the wire protocol and the disk formats of hashicorp/raft.
 *
 * A node is made of six things: a config, the user's state machine, a log store, a stable store, a
 * snapshot store and a transport.
 *
 * ```ts
 * import { defaultConfig, newRaft } from 'quorate';
 * import type { FSM } from 'quorate';
 * import { newInmemSnapshotStore } from 'quorate/snapshot';
 * import { newInmemStore } from 'quorate/store';
 * import { newInmemTransport } from 'quorate/transport';
 *
 * const fsm: FSM = {
 *   apply: () => undefined,
 *   snapshot: () => ({ persist: () => {}, release: () => {} }),
 *   restore: () => {},
 * };
 * const store = newInmemStore();
 * const [, transport] = newInmemTransport('');
 * const config = { ...defaultConfig(), localID: 'a', logLevel: 'ERROR' as const };
 * const raft = await newRaft(config, fsm, store, store, newInmemSnapshotStore(), transport);
 * await raft.shutdown();
 * ```
 *
 * @packageDocumentation
 */

import { newLogger } from './observer/logger.ts';
import { openTelemetryMeter } from './observer/open-telemetry.ts';
import { type Config, validateConfig } from './raft/config.ts';
import type { FSM } from './raft/fsm.ts';
import type { LogStore } from './raft/log.ts';
import { type Raft, newRaft as startRaft } from './raft/raft.ts';
import type { SnapshotStore } from './raft/snapshot.ts';
import type { StableStore } from './raft/stable.ts';
import type { Transport } from './raft/transport.ts';

export { Channel, ChannelClosedError } from './internal/channel.ts';
export { type Clock, systemClock, type TimerHandle } from './internal/clock.ts';
export { type Random, seededRandom, systemRandom } from './internal/random.ts';
export { Timestamp } from './internal/timestamp.ts';
export {
  type Config,
  defaultConfig,
  type LogLevel,
  type ReloadableConfig,
  SuggestedMaxDataSize,
  validateConfig,
} from './raft/config.ts';
export {
  Configuration,
  ConfigurationChangeCommand,
  configurationChangeCommandToString,
  type Server,
  type ServerAddress,
  type ServerID,
  ServerSuffrage,
  serverSuffrageToString,
} from './raft/configuration.ts';
export { decodeConfiguration, encodeConfiguration } from './raft/configuration-codec.ts';
export {
  ErrAbortedByRestore,
  ErrCantBootstrap,
  ErrEnqueueTimeout,
  ErrKeyNotFound,
  ErrLeader,
  ErrLeadershipLost,
  ErrLeadershipTransferInProgress,
  ErrLogNotFound,
  ErrNothingNewToSnapshot,
  ErrNotLeader,
  ErrNotVoter,
  ErrPipelineReplicationNotSupported,
  ErrPipelineShutdown,
  ErrRaftShutdown,
  ErrTransportShutdown,
  ErrUnsupportedProtocol,
  RaftError,
} from './raft/errors.ts';
export type { BatchingFSM, ConfigurationStore, FSM, FSMSnapshot } from './raft/fsm.ts';
export type {
  ApplyFuture,
  ApplyOutcome,
  ConfigurationFuture,
  Future,
  IndexFuture,
  LeadershipTransferFuture,
  SnapshotFuture,
} from './raft/future.ts';
export {
  type Log,
  type LogStore,
  LogType,
  logTypeToString,
  type MaybePromise,
  type MonotonicLogStore,
  type RangeReadingLogStore,
  type TailReplacingLogStore,
} from './raft/log.ts';
export { type LogFields, type Logger, silentLogger } from './raft/logger.ts';
export {
  AppendEntriesRequest,
  AppendEntriesResponse,
  InstallSnapshotRequest,
  InstallSnapshotResponse,
  type ProtocolVersion,
  ProtocolVersionMax,
  ProtocolVersionMin,
  RequestPreVoteRequest,
  RequestPreVoteResponse,
  RequestVoteRequest,
  RequestVoteResponse,
  type RPCHeader,
  type RPCReply,
  type RPCRequest,
  TimeoutNowRequest,
  TimeoutNowResponse,
  type WithRPCHeader,
} from './raft/messages.ts';
export {
  type Counter,
  type InstrumentOptions,
  METRICS,
  type Meter,
  type MetricLabels,
  type MetricName,
  type MetricSpec,
  type Recorder,
  silentMeter,
  type WithMeter,
} from './raft/metrics.ts';
export type { LeaderInfo, LogInput, RaftNode } from './raft/node.ts';
export type {
  FailedHeartbeatObservation,
  FilterFn,
  LeaderObservation,
  Observation,
  ObservationData,
  ObservationSink,
  PeerObservation,
  RaftStateObservation,
  RequestPreVoteObservation,
  RequestVoteObservation,
  ResumedHeartbeatObservation,
} from './raft/observation.ts';
export { Raft } from './raft/raft.ts';
export type { RaftView } from './raft/raft-view.ts';
export { getConfiguration } from './raft/read-configuration.ts';
export { bootstrapCluster, hasExistingState } from './raft/recover.ts';
export { recoverCluster } from './raft/recover-cluster.ts';
export {
  type OpenSnapshot,
  type SnapshotMeta,
  type SnapshotSink,
  type SnapshotStore,
  type SnapshotVersion,
  SnapshotVersionMax,
  SnapshotVersionMin,
} from './raft/snapshot.ts';
export type { AtomicStableStore, StableStore, StableWrite } from './raft/stable.ts';
export { RaftState, raftStateToString } from './raft/state.ts';
export type { Timeout, TimeoutOptions } from './raft/timeout.ts';
export {
  type AppendFuture,
  type AppendPipeline,
  type LoopbackTransport,
  RPC,
  type RPCResponse,
  type SendChannel,
  type ServerAddressProvider,
  type Transport,
  type WithClose,
  type WithPeers,
  type WithPreVote,
} from './raft/transport.ts';

/**
 * Starts a node on its stores; it continues where it stopped. A node that was neither bootstrapped
 * nor added to a cluster waits quietly. Go: `NewRaft`.
 *
 * @param conf see {@link defaultConfig}; checked and copied. Without a `logger` the node writes
 *   hclog's lines to `logOutput`, from `logLevel` on; without a `meter` it measures through
 *   OpenTelemetry
 * @param fsm the state machine; its newest snapshot is given to it before anything else
 * @param logs where the log lives
 * @param stable where term and vote live; may be the same object as `logs`
 * @param snaps where snapshots live
 * @param trans how this node talks to others; closed by `shutdown()`
 * @returns the node; rejects with a `RaftError` that says what is wrong with config or stores
 */
export async function newRaft(
  conf: Config,
  fsm: FSM,
  logs: LogStore,
  stable: StableStore,
  snaps: SnapshotStore,
  trans: Transport,
): Promise<Raft> {
  validateConfig(conf);
  const { logOutput, logLevel } = conf;
  const output = logOutput === undefined ? {} : { output: logOutput };
  const logger = conf.logger ?? newLogger({ name: 'raft', level: logLevel, ...output });
  const meter = conf.meter ?? openTelemetryMeter();
  return startRaft({ ...conf, logger, meter }, fsm, logs, stable, snaps, trans);
}
