import type { Channel } from '../internal/channel.ts';
import { type ReloadableConfig, reloadableOf } from './config.ts';
import type { ServerAddress } from './configuration.ts';
import { describeNode } from './core/node.ts';
import { type ConfigurationFuture, KnownConfiguration } from './future.ts';
import type { LeaderInfo } from './node.ts';
import type { ObservationSink } from './observation.ts';
import type { NodeRunner } from './runtime/node-runner.ts';
import { statsOf } from './runtime/stats.ts';
import type { RaftState } from './state.ts';

/** What a node shows of itself: everything that is answered at once, from memory. */
export abstract class RaftView {
  readonly #runner: NodeRunner;

  /** @internal */
  protected constructor(runner: NodeRunner) {
    this.#runner = runner;
  }

  /**
   * The latest configuration, committed or not, and the index at which it was written. Never waits.
   * Go: `Raft.GetConfiguration`.
   */
  getConfiguration(): ConfigurationFuture {
    const { latest, latestIndex } = this.#runner.node.configurations;
    return new KnownConfiguration(latest.clone(), latestIndex);
  }

  /** What `reloadConfig()` may change, as it is now. Go: `Raft.ReloadableConfig`. */
  reloadableConfig(): ReloadableConfig {
    return reloadableOf(this.#runner.parts.config);
  }

  /** What the node is. Go: `Raft.State`. */
  state(): RaftState {
    return this.#runner.published.role;
  }

  /**
   * The leader's address, empty when unknown. Deprecated as in Go, by `leaderWithID`.
   * Go: `Raft.Leader`.
   */
  leader(): ServerAddress {
    return this.#runner.published.leaderAddress;
  }

  /**
   * The leader as far as this node knows, both parts empty when it knows none; the id is empty too
   * when the leader speaks an old protocol. Go: `Raft.LeaderWithID`.
   */
  leaderWithID(): LeaderInfo {
    const { leaderAddress, leaderID } = this.#runner.published;
    return { address: leaderAddress, id: leaderID };
  }

  /**
   * Gets true on gaining and false on losing leadership. One slot for all readers: a word that
   * nobody has read gives way to the newest. It is closed when the node shuts down, which ends a
   * loop over it. Go: `Raft.LeaderCh`, which never closes it.
   *
   * @example
   * ```ts
   * import { makeCluster } from 'quorate/testing';
   *
   * await using cluster = await makeCluster(1);
   * const raft = await cluster.leader();
   * setTimeout(() => raft.shutdown(), 10);
   * for await (const isLeader of raft.leaderCh()) console.log(isLeader ? 'leads' : 'follows');
   * ```
   * ```text
   * leads
   * follows
   * ```
   */
  leaderCh(): Channel<boolean> {
    return this.#runner.leaderCh;
  }

  /** Numbers for people, as strings, under hashicorp's keys. Go: `Raft.Stats`. */
  stats(): Record<string, string> {
    const { node, published, fsm, clock } = this.#runner;
    const { pendingBatches } = fsm;
    return statsOf({ node, published, pendingBatches, nowMs: clock.monotonicMs() });
  }

  /** When the leader was last heard, `null` for never. Go: `Raft.LastContact`. */
  lastContact(): Date | null {
    const { node, clock } = this.#runner;
    if (node.lastContactMs === undefined) return null;
    const agoMs = clock.monotonicMs() - node.lastContactMs;
    return new Date(clock.wallTime().getTime() - agoMs);
  }

  /** The last index in the log or in a snapshot. Go: `Raft.LastIndex`. */
  lastIndex(): number {
    return this.#runner.published.lastIndex;
  }

  /** The last index known to be committed. Go: `Raft.CommitIndex`. */
  commitIndex(): number {
    return this.#runner.published.commitIndex;
  }

  /** The last index handed to the FSM. Go: `Raft.AppliedIndex`. */
  appliedIndex(): number {
    return this.#runner.published.lastApplied;
  }

  /** The current term. Go: `Raft.CurrentTerm`. */
  currentTerm(): number {
    return this.#runner.published.term;
  }

  /**
   * Tells `observer` what happens from now on. Go: `Raft.RegisterObserver`.
   *
   * @param observer see `newObserver`; one that is registered already is not told twice
   *
   * @example
   * ```ts
   * import { Channel, type Observation } from 'quorate';
   * import { newObserver } from 'quorate/observer';
   * import { makeCluster } from 'quorate/testing';
   *
   * await using cluster = await makeCluster(1);
   * const raft = await cluster.leader();
   * const channel = new Channel<Observation>(64);
   * raft.registerObserver(newObserver(channel, false, null));
   * setTimeout(() => raft.removeServer('nobody'), 10);
   * setTimeout(() => raft.addNonvoter('z', 'z:1'), 20);
   * for await (const { data } of channel) {
   *   if (data.kind !== 'PeerObservation') continue;
   *   console.log(data.removed ? 'gone' : 'new', data.peer.id);
   *   channel.close();
   * }
   * ```
   * ```text
   * new z
   * ```
   */
  registerObserver(observer: ObservationSink): void {
    this.#runner.observers.register(observer);
  }

  /** Tells `observer` nothing more. Go: `Raft.DeregisterObserver`. */
  deregisterObserver(observer: ObservationSink): void {
    this.#runner.observers.deregister(observer);
  }

  /** Why the node stopped by itself; `null` while it has not. Beyond Go, which panics. */
  get fatal(): Error | null {
    return this.#runner.fatal;
  }

  /** `Node at 127.0.0.1:7001 [Leader]`. Go: `Raft.String`. */
  toString(): string {
    return describeNode(this.#runner.node.self.address, this.state());
  }
}
