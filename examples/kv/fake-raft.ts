import { Channel } from '../../internal/channel.ts';
import { ZERO_TIME } from '../../internal/timestamp.ts';
import { defaultConfig, type ReloadableConfig, reloadableOf } from '../../raft/config.ts';
import { Configuration, type Server, ServerSuffrage } from '../../raft/configuration.ts';
import { ErrNotLeader, RaftError } from '../../raft/errors.ts';
import type { FSM } from '../../raft/fsm.ts';
import {
  type ApplyFuture,
  type ConfigurationFuture,
  EntryFuture,
  type Future,
  type IndexFuture,
  SettableFuture,
  type SnapshotFuture,
} from '../../raft/future.ts';
import { LogType } from '../../raft/log.ts';
import type { LeaderInfo, LogInput, RaftNode } from '../../raft/node.ts';
import type { OpenSnapshot } from '../../raft/snapshot.ts';
import { RaftState } from '../../raft/state.ts';

class DoneConfiguration extends SettableFuture<Configuration> implements ConfigurationFuture {
  configuration(): Configuration {
    return this.valueWhenDone() ?? new Configuration();
  }
}

class DoneSnapshot extends SettableFuture<void> implements SnapshotFuture {
  open(): Promise<OpenSnapshot> {
    return Promise.reject(new Error('the fake keeps no snapshots'));
  }
}

/** A node of one, for tests of what stands on a node: applies at once, or fails as it is told. */
export class FakeRaft implements RaftNode {
  fatal: Error | null = null;
  role: RaftState = RaftState.Leader;
  leaderInfo: LeaderInfo = { id: 'a', address: '127.0.0.1:7001' };
  servers: Server[] = [{ id: 'a', address: '127.0.0.1:7001', suffrage: ServerSuffrage.Voter }];
  /** What every operation of a leader fails with, once set. */
  failure: Error | null = null;
  /** Whether a failed command may have been appended. */
  appended = false;
  /** When set, nothing is ever answered. */
  silent = false;
  /** What was asked of the node, in order. */
  readonly calls: string[] = [];
  readonly #fsm: FSM;
  readonly #leaderCh = new Channel<boolean>(1);
  #index = 0;

  constructor(fsm: FSM) {
    this.#fsm = fsm;
  }

  apply(command: Uint8Array): ApplyFuture {
    this.calls.push('apply');
    const future = new EntryFuture();
    if (this.silent) return future;
    const problem = this.#problem();
    if (problem !== null) {
      if (this.appended) future.lost(problem);
      else future.refused(problem);
      return future;
    }
    this.#index += 1;
    future.setIndex(this.#index);
    const type = LogType.LogCommand;
    const entry = { index: this.#index, term: 1, type, data: command, extensions: null };
    future.applied(this.#fsm.apply({ ...entry, appendedAt: ZERO_TIME }));
    return future;
  }

  applyLog(log: LogInput): ApplyFuture {
    return this.apply(log.data ?? new Uint8Array());
  }

  barrier(): Future {
    return this.#answer('barrier', undefined);
  }

  verifyLeader(): Future {
    return this.#answer('verifyLeader', undefined);
  }

  readIndex(): Future<number> {
    return this.#answer('readIndex', this.#index);
  }

  getConfiguration(): ConfigurationFuture {
    const future = new DoneConfiguration();
    future.succeed(new Configuration(this.servers));
    return future;
  }

  bootstrapCluster(): Future {
    return this.#answer('bootstrapCluster', undefined);
  }

  addPeer(): Future {
    return this.#answer('addPeer', undefined);
  }

  removePeer(): Future {
    return this.#answer('removePeer', undefined);
  }

  reloadConfig(): void {
    this.calls.push('reloadConfig');
  }

  reloadableConfig(): ReloadableConfig {
    return reloadableOf(defaultConfig());
  }

  addVoter(id: string, address: string): IndexFuture {
    return this.#add({ id, address, suffrage: ServerSuffrage.Voter });
  }

  addNonvoter(id: string, address: string): IndexFuture {
    return this.#add({ id, address, suffrage: ServerSuffrage.Nonvoter });
  }

  demoteVoter(): IndexFuture {
    return this.#answer('demoteVoter', undefined);
  }

  removeServer(id: string): IndexFuture {
    const left = this.servers.filter((server) => server.id !== id);
    if (left.length === 0) {
      this.failure = new RaftError(
        'ERR_INVALID_CONFIGURATION',
        'need at least one voter in configuration: {Servers:[]}',
      );
    } else {
      this.servers = left;
    }
    return this.#answer(`removeServer ${id}`, undefined);
  }

  leadershipTransfer(): Future {
    return this.#answer('leadershipTransfer', undefined);
  }

  leadershipTransferToServer(id: string): Future {
    return this.#answer(`leadershipTransferToServer ${id}`, undefined);
  }

  snapshot(): SnapshotFuture {
    this.calls.push('snapshot');
    const future = new DoneSnapshot();
    if (this.failure === null) future.succeed();
    else future.fail(this.failure);
    return future;
  }

  restore(): Future {
    return this.#answer('restore', undefined);
  }

  shutdown(): Future {
    return this.#answer('shutdown', undefined);
  }

  state(): RaftState {
    return this.role;
  }

  leader(): string {
    return this.leaderInfo.address;
  }

  leaderWithID(): LeaderInfo {
    return this.leaderInfo;
  }

  leaderCh(): Channel<boolean> {
    return this.#leaderCh;
  }

  stats(): Record<string, string> {
    return { last_snapshot_index: String(this.#index) };
  }

  lastContact(): Date | null {
    return null;
  }

  lastIndex(): number {
    return this.#index;
  }

  commitIndex(): number {
    return this.#index;
  }

  appliedIndex(): number {
    return this.#index;
  }

  currentTerm(): number {
    return 1;
  }

  registerObserver(): void {}

  deregisterObserver(): void {}

  #problem(): Error | null {
    return this.role === RaftState.Leader ? this.failure : ErrNotLeader;
  }

  #add(server: Server): IndexFuture {
    if (this.role === RaftState.Leader) this.servers = [...this.servers, server];
    return this.#answer(`add ${server.id} ${server.suffrage}`, undefined);
  }

  #answer<T>(call: string, value: T): SettableFuture<T> {
    this.calls.push(call);
    const future = new SettableFuture<T>();
    if (this.silent) return future;
    const problem = this.#problem();
    if (problem === null) future.succeed(value);
    else future.fail(problem);
    return future;
  }
}
