import { Channel, overrideNotify } from '../../internal/channel.ts';
import { systemClock } from '../../internal/clock.ts';
import { isPromiseLike } from '../../internal/deferred.ts';
import { defaultConfig, type ReloadableConfig, reloadableOf } from '../../raft/config.ts';
import {
  Configuration,
  ConfigurationChangeCommand,
  nextConfiguration,
  type ServerAddress,
  type ServerID,
  ServerSuffrage,
} from '../../raft/configuration.ts';
import {
  asError,
  ErrCantBootstrap,
  ErrLeadershipLost,
  ErrNotLeader,
  ErrRaftShutdown,
  ErrUnsupportedProtocol,
} from '../../raft/errors.ts';
import { type FSM, isBatchingFSM, isConfigurationStore } from '../../raft/fsm.ts';
import {
  type ApplyFuture,
  type ConfigurationFuture,
  EntryFuture,
  type Future,
  type IndexFuture,
  KnownConfiguration,
  SettableFuture,
  type SnapshotFuture,
  WithoutResponse,
} from '../../raft/future.ts';
import { type Log, LogType, type MaybePromise } from '../../raft/log.ts';
import type { LeaderInfo, LogInput, RaftNode } from '../../raft/node.ts';
import type { ObservationData, ObservationSink } from '../../raft/observation.ts';
import type { SnapshotMeta } from '../../raft/snapshot.ts';
import { RaftState, raftStateToString } from '../../raft/state.ts';
import { FakeSnapshot, persisted } from './fake-snapshot.ts';
import { InOrder } from './in-order.ts';

const NOBODY: LeaderInfo = { id: '', address: '' };

/** Who a {@link FakeRaft} is. */
export interface FakeRaftOptions {
  /** Its name and address. Default: `fake`, both. */
  readonly self?: LeaderInfo;
  /** Whether it leads from the beginning. Default: true. */
  readonly leads?: boolean;
}

/**
 * A node without a cluster, for tests of what stands on a `RaftNode`: it gives every command to the
 * state machine at once, with no log, disk, network or timer behind it. It leads until it is told
 * otherwise, and then refuses what a follower refuses.
 *
 * @example
 * ```ts
 * import { FakeRaft, MockFSM } from 'quorate/testing';
 *
 * const raft = new FakeRaft(new MockFSM());
 * await raft.apply(new TextEncoder().encode('hello'));
 * raft.loseLeadership();
 * console.log((await raft.barrier().error())?.message);
 * ```
 * ```text
 * node is not the leader
 * ```
 */
export class FakeRaft implements RaftNode {
  /** Why the node stopped by itself: a fake never does. */
  readonly fatal = null;
  readonly #fsm: FSM;
  readonly #self: LeaderInfo;
  readonly #leaderCh = new Channel<boolean>(1);
  readonly #observers = new Set<ObservationSink>();
  readonly #inFlight = new Set<EntryFuture>();
  #state: RaftState;
  #leader: LeaderInfo;
  #term = 1;
  #lastIndex = 1;
  #appliedIndex = 1;
  #configuration: Configuration;
  #configurationIndex = 1;
  #reloadable = reloadableOf(defaultConfig());
  /** What the state machine is given. */
  readonly #work = new InOrder();

  /** @param fsm gets every command in order, one at a time */
  constructor(fsm: FSM, options: FakeRaftOptions = {}) {
    const { self = { id: 'fake', address: 'fake' }, leads = true } = options;
    this.#fsm = fsm;
    this.#self = self;
    this.#state = leads ? RaftState.Leader : RaftState.Follower;
    this.#leader = leads ? self : NOBODY;
    this.#configuration = new Configuration([{ ...self, suffrage: ServerSuffrage.Voter }]);
    if (leads) overrideNotify(this.#leaderCh, true);
  }

  /**
   * Makes it a follower of `leader`, of nobody by default. What the state machine has not answered
   * yet fails with `ErrLeadershipLost`, as with a real node, and may take effect all the same.
   */
  loseLeadership(leader: LeaderInfo = NOBODY): void {
    if (this.#state === RaftState.Shutdown) return;
    const led = this.#state === RaftState.Leader;
    for (const future of this.#inFlight) future.lost(ErrLeadershipLost);
    this.#inFlight.clear();
    this.#become(RaftState.Follower, leader);
    if (led) overrideNotify(this.#leaderCh, false);
  }

  /** Makes it the leader of the next term. */
  gainLeadership(): void {
    if (this.#state === RaftState.Shutdown || this.#state === RaftState.Leader) return;
    this.#term += 1;
    // A new leader begins its term with an entry of its own.
    this.#lastIndex += 1;
    if (this.#work.isIdle) this.#appliedIndex = this.#lastIndex;
    this.#become(RaftState.Leader, this.#self);
    overrideNotify(this.#leaderCh, true);
  }

  apply(command: Uint8Array): ApplyFuture {
    return this.applyLog({ data: command });
  }

  applyLog({ data = null, extensions = null }: LogInput): ApplyFuture {
    const copies = { data: data?.slice() ?? null, extensions: extensions?.slice() ?? null };
    return this.#propose(LogType.LogCommand, copies, (log) => {
      if (!isBatchingFSM(this.#fsm)) return this.#fsm.apply(log);
      const results = this.#fsm.applyBatch([log]);
      return isPromiseLike(results) ? results.then(([first]) => first) : results[0];
    });
  }

  barrier(): Future {
    return new WithoutResponse(this.#propose(LogType.LogBarrier, {}, () => undefined));
  }

  verifyLeader(): Future {
    return this.#answer(() => undefined);
  }

  readIndex(): Future<number> {
    const index = this.#lastIndex;
    return this.#answer(() => index);
  }

  getConfiguration(): ConfigurationFuture {
    return new KnownConfiguration(this.#configuration.clone(), this.#configurationIndex);
  }

  /** Fails with `ErrCantBootstrap`: it begins as a cluster of one. */
  bootstrapCluster(): Future {
    return failed(ErrCantBootstrap);
  }

  addPeer(): Future {
    return failed(ErrUnsupportedProtocol);
  }

  removePeer(): Future {
    return failed(ErrUnsupportedProtocol);
  }

  addVoter(id: ServerID, address: ServerAddress, prevIndex = 0): IndexFuture {
    return this.#change(ConfigurationChangeCommand.AddVoter, id, address, prevIndex);
  }

  addNonvoter(id: ServerID, address: ServerAddress, prevIndex = 0): IndexFuture {
    return this.#change(ConfigurationChangeCommand.AddNonvoter, id, address, prevIndex);
  }

  demoteVoter(id: ServerID, prevIndex = 0): IndexFuture {
    return this.#change(ConfigurationChangeCommand.DemoteVoter, id, '', prevIndex);
  }

  removeServer(id: ServerID, prevIndex = 0): IndexFuture {
    return this.#change(ConfigurationChangeCommand.RemoveServer, id, '', prevIndex);
  }

  /** Hands over to the first other voter, if there is one. */
  leadershipTransfer(): Future {
    const other = this.#configuration.servers.find(
      ({ id, suffrage }) => id !== this.#self.id && suffrage === ServerSuffrage.Voter,
    );
    if (other === undefined) return failed(new Error('cannot find peer'));
    return this.leadershipTransferToServer(other.id, other.address);
  }

  leadershipTransferToServer(id: ServerID, address: ServerAddress): Future {
    return this.#answer(() => this.loseLeadership({ id, address }));
  }

  reloadConfig(config: ReloadableConfig): void {
    this.#reloadable = { ...config };
  }

  reloadableConfig(): ReloadableConfig {
    return { ...this.#reloadable };
  }

  snapshot(): SnapshotFuture {
    const future = new FakeSnapshot();
    if (this.#state === RaftState.Shutdown) future.fail(ErrRaftShutdown);
    const index = this.#lastIndex;
    this.#work.settle(
      async () => persisted(await this.#fsm.snapshot()),
      (bytes) => future.taken(this.#metaOf(index, bytes.length), bytes),
      (error) => future.fail(asError(error)),
    );
    return future;
  }

  restore(_meta: SnapshotMeta, reader: AsyncIterable<Uint8Array>): Future {
    return new WithoutResponse(
      this.#propose(LogType.LogNoop, {}, async () => this.#fsm.restore(reader)),
    );
  }

  shutdown(): Future {
    const future = new SettableFuture<void>();
    if (this.#state !== RaftState.Shutdown) {
      for (const waiting of this.#inFlight) waiting.lost(ErrRaftShutdown);
      this.#inFlight.clear();
      this.#become(RaftState.Shutdown, NOBODY);
      this.#leaderCh.close();
    }
    this.#work.run(() => void future.succeed());
    return future;
  }

  state(): RaftState {
    return this.#state;
  }

  leader(): ServerAddress {
    return this.#leader.address;
  }

  leaderWithID(): LeaderInfo {
    return this.#leader;
  }

  leaderCh(): Channel<boolean> {
    return this.#leaderCh;
  }

  stats(): Record<string, string> {
    return {
      state: raftStateToString(this.#state),
      term: String(this.#term),
      last_log_index: String(this.#lastIndex),
      commit_index: String(this.#lastIndex),
      applied_index: String(this.#appliedIndex),
    };
  }

  lastContact(): Date | null {
    return null;
  }

  lastIndex(): number {
    return this.#lastIndex;
  }

  commitIndex(): number {
    return this.#lastIndex;
  }

  appliedIndex(): number {
    return this.#appliedIndex;
  }

  currentTerm(): number {
    return this.#term;
  }

  registerObserver(observer: ObservationSink): void {
    this.#observers.add(observer);
  }

  deregisterObserver(observer: ObservationSink): void {
    this.#observers.delete(observer);
  }

  #problem(): Error | null {
    if (this.#state === RaftState.Shutdown) return ErrRaftShutdown;
    return this.#state === RaftState.Leader ? null : ErrNotLeader;
  }

  #propose(
    type: LogType,
    { data = null, extensions = null }: Partial<Pick<Log, 'data' | 'extensions'>>,
    run: (log: Log) => MaybePromise<unknown>,
  ): EntryFuture {
    const future = new EntryFuture();
    const problem = this.#problem();
    if (problem !== null) {
      future.refused(problem);
      return future;
    }
    this.#lastIndex += 1;
    const [index, term] = [this.#lastIndex, this.#term];
    const log: Log = { index, term, type, data, extensions, appendedAt: systemClock.wallTime() };
    future.setIndex(index);
    this.#inFlight.add(future);
    const finish = (response: unknown): void => {
      this.#appliedIndex = index;
      this.#inFlight.delete(future);
      future.applied(response);
    };
    const giveUp = (error: unknown): void => {
      this.#inFlight.delete(future);
      future.lost(asError(error));
    };
    this.#work.settle(() => run(log), finish, giveUp);
    return future;
  }

  #change(
    command: ConfigurationChangeCommand,
    serverID: ServerID,
    serverAddress: ServerAddress,
    prevIndex: number,
  ): IndexFuture {
    const problem = this.#problem();
    if (problem !== null) return failed(problem);
    let next: Configuration;
    try {
      const change = { command, serverID, serverAddress, prevIndex };
      next = nextConfiguration(this.#configuration, this.#configurationIndex, change);
    } catch (error) {
      return failed(asError(error));
    }
    const entry = this.#propose(LogType.LogConfiguration, {}, ({ index }) => {
      if (isConfigurationStore(this.#fsm)) this.#fsm.storeConfiguration(index, next.clone());
    });
    this.#configuration = next;
    this.#configurationIndex = this.#lastIndex;
    return new WithoutResponse(entry);
  }

  #answer<T>(act: () => T): Future<T> {
    const future = new SettableFuture<T>();
    const problem = this.#problem();
    if (problem !== null) future.fail(problem);
    else this.#work.run(() => void future.succeed(act()));
    return future;
  }

  #metaOf(index: number, size: number): SnapshotMeta {
    return {
      version: 1,
      id: `${this.#term}-${index}`,
      index,
      term: this.#term,
      peers: null,
      configuration: this.#configuration.clone(),
      configurationIndex: this.#configurationIndex,
      size,
    };
  }

  #become(state: RaftState, leader: LeaderInfo): void {
    const before = this.#leader;
    this.#leader = leader;
    if (state !== this.#state) {
      this.#state = state;
      this.#tell({ kind: 'RaftState', state });
    }
    const { id: leaderID, address: leaderAddr } = leader;
    if (leaderID === before.id && leaderAddr === before.address) return;
    this.#tell({ kind: 'LeaderObservation', leader: leaderAddr, leaderAddr, leaderID });
  }

  #tell(data: ObservationData): void {
    for (const observer of this.#observers) void observer.observe({ raft: this, data });
  }
}

function failed(error: Error): IndexFuture {
  const future = new SettableFuture<void>();
  future.fail(error);
  return future;
}
