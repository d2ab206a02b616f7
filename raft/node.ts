import type { Channel } from '../internal/channel.ts';
import type { ReloadableConfig } from './config.ts';
import type { Configuration, ServerAddress, ServerID } from './configuration.ts';
import type {
  ApplyFuture,
  ConfigurationFuture,
  Future,
  IndexFuture,
  SnapshotFuture,
} from './future.ts';
import type { ObservationSink } from './observation.ts';
import type { SnapshotMeta } from './snapshot.ts';
import type { RaftState } from './state.ts';
import type { Timeout } from './timeout.ts';

/** The fields of an entry that a caller may set. */
export interface LogInput {
  readonly data?: Uint8Array | null;
  readonly extensions?: Uint8Array | null;
}

/** Who leads, as far as this node knows; both empty when nobody does. */
export interface LeaderInfo {
  readonly address: ServerAddress;
  readonly id: ServerID;
}

/**
 * A Raft node as its user sees it. `Raft` is the real one; doubles for tests implement it too.
 * Timeouts are milliseconds; 0 waits for ever; each may come with an `AbortSignal`.
 */
export interface RaftNode {
  /** Proposes a command; see `Raft.apply`. */
  apply(command: Uint8Array, timeout?: Timeout): ApplyFuture;
  /** Proposes a command with extensions; see `Raft.applyLog`. */
  applyLog(log: LogInput, timeout?: Timeout): ApplyFuture;
  /** Waits until everything before it has been applied; see `Raft.barrier`. */
  barrier(timeout?: Timeout): Future;
  /** Asks a quorum whether this node still leads; see `Raft.verifyLeader`. */
  verifyLeader(): Future;
  /** Makes the next local read linearizable; see `Raft.readIndex`. Beyond Go. */
  readIndex(timeout?: Timeout): Future<number>;
  /** The latest configuration, committed or not; see `Raft.getConfiguration`. */
  getConfiguration(): ConfigurationFuture;
  bootstrapCluster(configuration: Configuration): Future;
  /** Only for protocol versions 1 and 2; see `Raft.addPeer`. */
  addPeer(peer: ServerAddress): Future;
  /** Only for protocol versions 1 and 2; see `Raft.removePeer`. */
  removePeer(peer: ServerAddress): Future;
  addVoter(
    id: ServerID,
    address: ServerAddress,
    prevIndex?: number,
    timeout?: Timeout,
  ): IndexFuture;
  addNonvoter(
    id: ServerID,
    address: ServerAddress,
    prevIndex?: number,
    timeout?: Timeout,
  ): IndexFuture;
  demoteVoter(id: ServerID, prevIndex?: number, timeout?: Timeout): IndexFuture;
  removeServer(id: ServerID, prevIndex?: number, timeout?: Timeout): IndexFuture;
  leadershipTransfer(): Future;
  leadershipTransferToServer(id: ServerID, address: ServerAddress): Future;
  /** Changes the config while the node runs; see `Raft.reloadConfig`. */
  reloadConfig(config: ReloadableConfig): void;
  /** What may be changed, as it is now. */
  reloadableConfig(): ReloadableConfig;
  snapshot(): SnapshotFuture;
  /** Replaces the state of the cluster; see `Raft.restore`. */
  restore(meta: SnapshotMeta, reader: AsyncIterable<Uint8Array>, timeout?: Timeout): Future;
  shutdown(): Future;
  state(): RaftState;
  leader(): ServerAddress;
  leaderWithID(): LeaderInfo;
  /** The latest word on whether this node leads; one slot, newest wins. */
  leaderCh(): Channel<boolean>;
  stats(): Record<string, string>;
  lastContact(): Date | null;
  lastIndex(): number;
  commitIndex(): number;
  appliedIndex(): number;
  currentTerm(): number;
  registerObserver(observer: ObservationSink): void;
  deregisterObserver(observer: ObservationSink): void;
  /** Why the node stopped by itself, `null` while it has not. Beyond Go. */
  readonly fatal: Error | null;
}
