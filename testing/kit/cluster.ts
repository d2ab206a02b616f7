import { rm } from 'node:fs/promises';
import type { Clock } from '../../internal/clock.ts';
import { type Config, clockOf } from '../../raft/config.ts';
import type { Configuration, ServerAddress, ServerID } from '../../raft/configuration.ts';
import { RaftError } from '../../raft/errors.ts';
import type { FSM } from '../../raft/fsm.ts';
import type { LogStore } from '../../raft/log.ts';
import type { FilterFn, ObservationSink } from '../../raft/observation.ts';
import { newRaft, type Raft } from '../../raft/raft.ts';
import { RaftState, raftStateToString } from '../../raft/state.ts';
import type { FileSnapshotStore } from '../../snapshot/file-snapshot-store.ts';
import type { InmemStore } from '../../store/inmem-store.ts';
import type { InmemTransport } from '../../transport/inmem-transport.ts';
import { difference, mockFSMOf } from './differences.ts';
import { Observations } from './observations.ts';
import { isWithin, sleep } from './wait.ts';

/** What one node of a {@link Cluster} runs on. */
export interface ClusterParts {
  readonly id: ServerID;
  readonly conf: Config;
  readonly store: InmemStore;
  /** What the node is given as its log store: `store`, or that made monotonic. */
  readonly logs: LogStore;
  readonly snap: FileSnapshotStore;
  /** Directories that are removed with the cluster. */
  readonly dirs: readonly string[];
  readonly fsm: FSM;
  readonly trans: InmemTransport;
}

/** One node of a {@link Cluster}: what it runs on, and the node that runs. */
interface ClusterNode extends ClusterParts {
  readonly raft: Raft;
}

/** What a {@link Cluster} is made of. */
export interface ClusterInit {
  readonly conf: Config;
  readonly longstopTimeout: number;
  /** The same parts for another life: a state machine and a transport that know nothing. */
  readonly renew: (parts: ClusterParts) => ClusterParts;
}

/**
 * A whole cluster in one process, made by {@link makeCluster}. Its methods wait until something
 * holds. When it does not within `longstopTimeout`, they throw a `RaftError` of code
 * `ERR_TEST_CLUSTER` that says what each node is doing. Go: the `cluster` that `MakeCluster`
 * returns.
 */
export class Cluster {
  /** The config that the nodes were made from. */
  readonly conf: Config;
  /** How long a commit takes to reach everybody: 2 heartbeat timeouts and a commit timeout, ms. */
  readonly propagateTimeout: number;
  /** How long to wait before something counts as failed, in milliseconds. */
  readonly longstopTimeout: number;
  /** Sees what the nodes do. Register it with nodes that you add by hand. */
  readonly observer: ObservationSink;
  readonly #observations: Observations;
  readonly #clock: Clock;
  readonly #renew: ClusterInit['renew'];
  readonly #nodes: ClusterNode[] = [];
  readonly #removed: ClusterNode[] = [];

  /** @internal Use {@link makeCluster}. */
  constructor({ conf, longstopTimeout, renew }: ClusterInit) {
    this.conf = conf;
    this.#clock = clockOf(conf);
    this.propagateTimeout = 2 * conf.heartbeatTimeout + conf.commitTimeout;
    this.longstopTimeout = longstopTimeout;
    this.#observations = new Observations(this.#clock);
    this.observer = this.#observations;
    this.#renew = renew;
  }

  /** The nodes, in the order in which they were made. */
  get rafts(): readonly Raft[] {
    return this.#nodes.map(({ raft }) => raft);
  }

  /** Their state machines, in the same order. */
  get fsms(): readonly FSM[] {
    return this.#nodes.map(({ fsm }) => fsm);
  }

  /** Their log and stable stores, in the same order. */
  get stores(): readonly InmemStore[] {
    return this.#nodes.map(({ store }) => store);
  }

  /** Their snapshot stores, in the same order. */
  get snaps(): readonly FileSnapshotStore[] {
    return this.#nodes.map(({ snap }) => snap);
  }

  /** Their transports, in the same order. */
  get trans(): readonly InmemTransport[] {
    return this.#nodes.map(({ trans }) => trans);
  }

  /** Directories of snapshots; `close()` removes them. Empty on a virtual clock. */
  get dirs(): readonly string[] {
    return this.#everyone().flatMap(({ dirs }) => dirs);
  }

  /** @internal Starts one more node. */
  async add(parts: ClusterParts): Promise<void> {
    this.#nodes.push(await this.#start(parts));
  }

  /** Takes the nodes of another cluster in. They are not connected yet. Go: `Merge`. */
  merge(other: Cluster): void {
    for (const node of other.#nodes) {
      node.raft.registerObserver(this.observer);
      this.#nodes.push(node);
    }
    this.#removed.push(...other.#removed);
  }

  /**
   * Asks nothing of this node any more; it goes on running until `close()`. Go: `RemoveServer`,
   * which goes on looking at its state machine.
   */
  removeServer(id: ServerID): void {
    const at = this.#nodes.findIndex((node) => node.id === id);
    if (at >= 0) this.#removed.push(...this.#nodes.splice(at, 1));
  }

  /** The position of a node in `rafts`, -1 when it is not there. Go: `IndexOf`. */
  indexOf(raft: Raft): number {
    return this.#nodes.findIndex((node) => node.raft === raft);
  }

  /**
   * Shuts a node down and starts it again on its stores, with a state machine that knows nothing, a
   * transport of the same address, and connected to everybody. Beyond Go.
   *
   * @returns the new node; rejects with what `newRaft` rejects with
   */
  async restart(raft: Raft): Promise<Raft> {
    const at = this.indexOf(raft);
    const old = this.#nodes[at];
    if (old === undefined) throw this.#failure('expected a node of this cluster to restart');
    await raft.shutdown();
    const node = await this.#start(this.#renew(old));
    this.#nodes[at] = node;
    const { trans } = node;
    for (const { trans: other } of this.#everyone()) {
      if (other === trans) continue;
      other.connect(trans.localAddr(), trans);
      trans.connect(other.localAddr(), other);
    }
    return node.raft;
  }

  /** Opens every way between all nodes. Go: `FullyConnect`. */
  fullyConnect(): void {
    const all = this.#everyone().map(({ trans }) => trans);
    for (const from of all) {
      for (const to of all) if (from !== to) from.connect(to.localAddr(), to);
    }
  }

  /** Closes every way from and to one address. Go: `Disconnect`. */
  disconnect(address: ServerAddress): void {
    for (const { trans } of this.#everyone()) {
      if (trans.localAddr() === address) trans.disconnectAll();
      else trans.disconnect(address);
    }
  }

  /** Closes every way between these addresses and all others. Go: `Partition`. */
  partition(far: readonly ServerAddress[]): void {
    const all = this.#everyone().map(({ trans }) => trans);
    for (const from of all) {
      for (const to of all) {
        if (far.includes(from.localAddr()) !== far.includes(to.localAddr())) {
          from.disconnect(to.localAddr());
        }
      }
    }
  }

  /**
   * Waits for something that a node does. What nobody waited for is kept, up to 1024 observations.
   * Go: `WaitEvent`.
   *
   * @param filter which observations count; `null` for all
   * @param timeout milliseconds, 0 for no limit
   * @returns true for an observation, false when the time was over first
   */
  waitEvent(filter: FilterFn | null, timeout: number): Promise<boolean> {
    return this.#observations.next(filter, timeout);
  }

  /** Waits until every {@link MockFSM} holds this many commands. Go: `WaitForReplication`. */
  async waitForReplication(fsmLength: number): Promise<void> {
    const lengths = () => this.fsms.map((fsm) => mockFSMOf(fsm).logs().length);
    await this.#until(() =>
      lengths().every((length) => length === fsmLength)
        ? null
        : `expected ${fsmLength} commands in every FSM, got ${lengths().join(', ')}`,
    );
  }

  /** The nodes that are in a state right now, and the highest term of all. Go: `pollState`. */
  pollState(state: RaftState): {
    /** The nodes in that state. */
    readonly rafts: Raft[];
    /** The highest term of all nodes. */
    readonly highestTerm: number;
  } {
    const rafts = this.rafts.filter((raft) => raft.state() === state);
    const highestTerm = Math.max(0, ...this.rafts.map((raft) => raft.currentTerm()));
    return { rafts, highestTerm };
  }

  /**
   * Waits until no node has changed its state or asked for a vote for two election timeouts, and
   * gives the nodes that are in `state` then. Go: `GetInState`.
   */
  async getInState(state: RaftState): Promise<Raft[]> {
    const { heartbeatTimeout, electionTimeout, commitTimeout } = this.conf;
    const settledMs = 2 * Math.max(heartbeatTimeout, electionTimeout) + commitTimeout;
    const limitMs = this.#clock.monotonicMs() + this.longstopTimeout;
    const unrest: FilterFn = ({ data }) =>
      data.kind === 'RaftState' || data.kind === 'RequestVoteRequest';
    for (;;) {
      // Before the first election there is nothing to be settled.
      const { highestTerm } = this.pollState(state);
      const leftMs = limitMs - this.#clock.monotonicMs();
      const quietMs = highestTerm === 0 ? this.longstopTimeout : settledMs;
      const name = raftStateToString(state);
      if (leftMs <= 0) throw this.#failure(`timeout waiting for stable ${name} state`);
      const isMoving = await this.#observations.next(unrest, Math.min(quietMs, leftMs));
      if (!isMoving && quietMs <= leftMs) return this.pollState(state).rafts;
    }
  }

  /** Waits for a stable state and gives its one leader. Go: `Leader`. */
  async leader(): Promise<Raft> {
    const leaders = await this.getInState(RaftState.Leader);
    const [leader] = leaders;
    if (leader === undefined || leaders.length !== 1) {
      throw this.#failure(`expected one leader, got ${leaders.length}`);
    }
    return leader;
  }

  /** Waits for a stable state in which all nodes but one follow. Go: `Followers`. */
  followers(): Promise<Raft[]> {
    return this.waitForFollowers(this.#nodes.length - 1);
  }

  /** Waits for a stable state with this many followers. Go: `WaitForFollowers`. */
  async waitForFollowers(count: number): Promise<Raft[]> {
    const followers = await this.getInState(RaftState.Follower);
    if (followers.length === count) return followers;
    throw this.#failure(`timeout waiting for ${count} followers, got ${followers.length}`);
  }

  /**
   * Waits until every node takes `expect` for the leader's address, '' for none.
   * Go: `EnsureLeader`, which looks only once.
   */
  async ensureLeader(expect: ServerAddress): Promise<void> {
    const name = (address: ServerAddress) => (address === '' ? '[none]' : address);
    await this.#until(() => {
      const wrong = this.rafts.find((raft) => raft.leaderWithID().address !== expect);
      if (wrong === undefined) return null;
      const seen = wrong.leaderWithID().address;
      return `${wrong} sees the leader ${name(seen)}, expected ${name(expect)}`;
    });
  }

  /** Waits until all {@link MockFSM}s hold the same. Go: `EnsureSame`. */
  async ensureSame(): Promise<void> {
    await this.#until(() => {
      const [first, ...others] = this.fsms.map(mockFSMOf);
      if (first === undefined) return null;
      return others.map((other) => difference(first, other)).find((text) => text !== null) ?? null;
    });
  }

  /** The latest configuration that a node knows. Go: `getConfiguration`. */
  getConfiguration(raft: Raft): Configuration {
    return raft.getConfiguration().configuration();
  }

  /** Waits until all nodes know the same configuration. Go: `EnsureSamePeers`. */
  async ensureSamePeers(): Promise<void> {
    await this.#until(() => {
      const [first, ...others] = this.rafts.map((raft) =>
        JSON.stringify(this.getConfiguration(raft).servers),
      );
      const other = others.find((servers) => servers !== first);
      return other === undefined ? null : `peer mismatch: ${first} ${other}`;
    });
  }

  /**
   * Shuts every node down, removed ones too, and removes the directories. May be called again.
   * Rejects when a node does not end within `longstopTimeout`. Go: `Close`.
   */
  async close(): Promise<void> {
    const ending = this.#everyone().map(async ({ raft, trans }) => {
      await raft.shutdown().error();
      await trans.close();
    });
    try {
      const isDone = await isWithin(this.#clock, this.longstopTimeout, Promise.all(ending));
      if (!isDone) throw this.#failure('timed out waiting for shutdown');
    } finally {
      for (const dir of this.dirs) await rm(dir, { recursive: true, force: true });
    }
  }

  /** `await using cluster = await makeCluster(3)` closes it at the end of the block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #start(parts: ClusterParts): Promise<ClusterNode> {
    const { conf, fsm, logs, store, snap, trans } = parts;
    const raft = await newRaft(conf, fsm, logs, store, snap, trans);
    raft.registerObserver(this.observer);
    return { ...parts, raft };
  }

  #everyone(): ClusterNode[] {
    return [...this.#nodes, ...this.#removed];
  }

  /** Waits until nothing is wrong any more; what is wrong in the end becomes an error. */
  async #until(complaint: () => string | null): Promise<void> {
    const limitMs = this.#clock.monotonicMs() + this.longstopTimeout;
    for (let wrong = complaint(); wrong !== null; wrong = complaint()) {
      if (this.#clock.monotonicMs() >= limitMs) throw this.#failure(wrong);
      await sleep(this.#clock, this.conf.commitTimeout);
    }
  }

  #failure(text: string): RaftError {
    const lines = this.rafts.map((raft) => {
      const { id } = raft.leaderWithID();
      const fatal = raft.fatal === null ? '' : `, stopped by: ${raft.fatal.message}`;
      return `\n  ${raft}: term ${raft.currentTerm()}, leader ${id === '' ? '[none]' : id}, last \
index ${raft.lastIndex()}, committed ${raft.commitIndex()}, applied ${raft.appliedIndex()}${fatal}`;
    });
    return new RaftError('ERR_TEST_CLUSTER', text + lines.join(''));
  }
}
