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
  /** The command. Default: none. */
  readonly data?: Uint8Array | null;
  /** Opaque bytes beside the command, for middleware. Default: none. */
  readonly extensions?: Uint8Array | null;
}

/** Who leads, as far as this node knows; both empty when nobody does. */
export interface LeaderInfo {
  /** Where the leader is reached. */
  readonly address: ServerAddress;
  /** The leader's name. */
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
  /** Writes the first configuration of a cluster; see `Raft.bootstrapCluster`. */
  bootstrapCluster(configuration: Configuration): Future;
  /** Only for protocol versions 1 and 2; see `Raft.addPeer`. */
  addPeer(peer: ServerAddress): Future;
  /** Only for protocol versions 1 and 2; see `Raft.removePeer`. */
  removePeer(peer: ServerAddress): Future;
  /** Adds a voter; see `Raft.addVoter`. */
  addVoter(
    id: ServerID,
    address: ServerAddress,
    prevIndex?: number,
    timeout?: Timeout,
  ): IndexFuture;
  /** Adds a server without a vote; see `Raft.addNonvoter`. */
  addNonvoter(
    id: ServerID,
    address: ServerAddress,
    prevIndex?: number,
    timeout?: Timeout,
  ): IndexFuture;
  /** Takes a server's vote; see `Raft.demoteVoter`. */
  demoteVoter(id: ServerID, prevIndex?: number, timeout?: Timeout): IndexFuture;
  /** Takes a server out; see `Raft.removeServer`. */
  removeServer(id: ServerID, prevIndex?: number, timeout?: Timeout): IndexFuture;
  /** Hands the leadership over; see `Raft.leadershipTransfer`. */
  leadershipTransfer(): Future;
  /** Hands the leadership to one server; see `Raft.leadershipTransferToServer`. */
  leadershipTransferToServer(id: ServerID, address: ServerAddress): Future;
  /** Changes the config while the node runs; see `Raft.reloadConfig`. */
  reloadConfig(config: ReloadableConfig): void;
  /** What may be changed, as it is now. */
  reloadableConfig(): ReloadableConfig;
  /** Takes a snapshot now; see `Raft.snapshot`. */
  snapshot(): SnapshotFuture;
  /** Replaces the state of the cluster; see `Raft.restore`. */
  restore(meta: SnapshotMeta, reader: AsyncIterable<Uint8Array>, timeout?: Timeout): Future;
  /** Stops the node; see `Raft.shutdown`. */
  shutdown(): Future;
  /** What the node is; see `Raft.state`. */
  state(): RaftState;
  /** The leader's address; see `Raft.leader`. */
  leader(): ServerAddress;
  /** The leader's address and id; see `Raft.leaderWithID`. */
  leaderWithID(): LeaderInfo;
  /** The latest word on whether this node leads; one slot, newest wins. */
  leaderCh(): Channel<boolean>;
  /** Numbers for people, as texts; see `Raft.stats`. */
  stats(): Record<string, string>;
  /** When a leader was last heard; see `Raft.lastContact`. */
  lastContact(): Date | null;
  /** The last index of the log; see `Raft.lastIndex`. */
  lastIndex(): number;
  /** The last index that is committed; see `Raft.commitIndex`. */
  commitIndex(): number;
  /** The last index that the FSM was given; see `Raft.appliedIndex`. */
  appliedIndex(): number;
  /** The term; see `Raft.currentTerm`. */
  currentTerm(): number;
  /** Adds an observer; see `Raft.registerObserver`. */
  registerObserver(observer: ObservationSink): void;
  /** Takes an observer out; see `Raft.deregisterObserver`. */
  deregisterObserver(observer: ObservationSink): void;
  /** Why the node stopped by itself, `null` while it has not. Beyond Go. */
  readonly fatal: Error | null;
}
