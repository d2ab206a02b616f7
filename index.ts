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
import type { Codec, ItemFormat } from './raft/item-frames.ts';
import type { LogStore } from './raft/log.ts';
import { type Raft, newRaft as startRaft } from './raft/raft.ts';
import type { SnapshotStore } from './raft/snapshot.ts';
import type { StableStore } from './raft/stable.ts';
import type { Transport } from './raft/transport.ts';
import { TypedFSM, type TypedStateMachine } from './raft/typed-fsm.ts';
import { msgpackCodec } from './snapshot/msgpack-codec.ts';

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
export type { Codec, ItemFormat } from './raft/item-frames.ts';
export type { LineOutput } from './raft/line-logger.ts';
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
  type InstrumentAdvice,
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
  type CountingReader,
  type OpenSnapshot,
  type ReadCloserWrapper,
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
export {
  type CommandEncoder,
  type Picture,
  type TypedApplyFuture,
  TypedFSM,
  type TypedLog,
  TypedRaft,
  type TypedStateMachine,
  typed,
} from './raft/typed-fsm.ts';

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
 * @returns the node; rejects with a `RaftError` that says what is wrong: `ERR_INVALID_CONFIG`;
 *   `ERR_STARTUP`, `ERR_STORE_READ` or what the store threw for one that cannot be read;
 *   `ERR_STORE_ANSWER` for one that answers nonsense; `ERR_STORE_TIMEOUT` for one that does not
 *   answer within `diskTimeout`; `ERR_STATE_DAMAGED` for state that contradicts itself
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

/**
 * Makes an `FSM` of a state machine that knows commands and state as values: they travel as
 * msgpack, and the user never touches bytes. Give it to {@link newRaft}; propose with
 * {@link typed}. Beyond Go.
 *
 * A committed entry that cannot be decoded stops the node with `ERR_MALFORMED_COMMAND`, whose text
 * has its index and its first bytes; a snapshot that cannot be, `ERR_MALFORMED_SNAPSHOT`.
 *
 * @param machine applies commands; its `parseCommand`, when there, decides what is one
 * @param codec turns values into bytes; msgpack when absent: null, booleans, numbers, strings,
 *   bigints of 64 bits, `Uint8Array`, `Date`, arrays and plain objects
 * @param snapshots how a snapshot is written and read; on the main thread when absent,
 *   `workerFormat()` of `quorate/snapshot/worker` for large states
 *
 * @example
 * ```ts
 * import { typed, typedFSM } from 'quorate';
 * import { newCowMap } from 'quorate/snapshot';
 * import { makeClusterCustom } from 'quorate/testing';
 *
 * type Command = { op: 'set'; key: string; value: number } | { op: 'delete'; key: string };
 *
 * function counters() {
 *   const state = newCowMap<string, number>();
 *   return typedFSM({
 *     apply(command: Command): number | undefined {
 *       const before = state.get(command.key);
 *       if (command.op === 'set') state.set(command.key, command.value);
 *       else state.delete(command.key);
 *       return before;
 *     },
 *     snapshot: () => state.snapshot(),
 *     async restore(items: AsyncIterable<[string, number]>) {
 *       state.clear();
 *       for await (const [key, value] of items) state.set(key, value);
 *     },
 *   });
 * }
 *
 * const fsm = counters();
 * await using cluster = await makeClusterCustom({
 *   peers: 1,
 *   bootstrap: true,
 *   makeFSMFunc: () => fsm,
 * });
 * const raft = typed(await cluster.leader(), fsm);
 * await raft.apply({ op: 'set', key: 'visits', value: 1 }, 1000);
 * const before = await raft.apply({ op: 'delete', key: 'visits' }, 1000);
 * console.log(before); // 1
 * ```
 */
export function typedFSM<Command, Response, Item>(
  machine: TypedStateMachine<Command, Response, Item>,
  codec: Codec = msgpackCodec,
  snapshots?: ItemFormat,
): TypedFSM<Command, Response, Item> {
  return new TypedFSM(machine, codec, snapshots);
}
