import type { Channel } from '../../internal/channel.ts';
import type { Clock } from '../../internal/clock.ts';
import { clockOf, randomOf } from '../config.ts';
import { formatServers } from '../configuration.ts';
import { stepMain } from '../core/core.ts';
import { Effects } from '../core/effect.ts';
import type { MainInput, PeerInput } from '../core/input.ts';
import { lastIndexOf, type NodeState, newNodeState } from '../core/node.ts';
import { asError, ErrRaftShutdown } from '../errors.ts';
import { type Logger, silentLogger } from '../logger.ts';
import type { ObservationData } from '../observation.ts';
import { RaftState } from '../state.ts';
import { supportsClose, supportsPreVote } from '../transport.ts';
import { checkedStores } from './checked-stores.ts';
import { Performer } from './effects.ts';
import { Entries } from './entries.ts';
import { FsmLoop } from './fsm-loop.ts';
import { Inbound } from './inbound.ts';
import { PeerLanes, type Published, published, steppedDown } from './lanes.ts';
import { LeadershipNews } from './leadership-news.ts';
import { InFlightEntries, Ledger } from './ledger.ts';
import { MainLane } from './main-lane.ts';
import { NodeTimers } from './node-timers.ts';
import { Observers } from './observers.ts';
import { Outbound } from './outbound.ts';
import { PeerSenders } from './peer-sender.ts';
import { coreConfigOf, diskLimitMs, type Parts, selfOf, silenceLimitMs } from './self.ts';
import { untilEnded } from './shutdown.ts';
import { type SnapshotConfiguration, SnapshotLoop } from './snapshot-loop.ts';
import { SnapshotReceiver } from './snapshot-receiver.ts';
import { readInitialState } from './startup.ts';
import { StoreWriter } from './store-writer.ts';
import { startTelemetry, type Telemetry } from './telemetry.ts';
import { UserRestores } from './user-restore.ts';

/** Entries and bytes that a leader may have in flight before proposals have to wait (rule 14). */
const MAX_IN_FLIGHT_ENTRIES = 65_536;
const MAX_IN_FLIGHT_BYTES = 64 * 1024 * 1024;
/** How long a shutdown waits before it says what has not ended. */
const SHUTDOWN_LIMIT_MS = 10_000;

/** Owns the lanes of one node: starts them, stops them, waits for them. Go: `run`. */
export class NodeRunner {
  readonly parts: Parts;
  readonly clock: Clock;
  readonly log: Logger;
  readonly node: NodeState;
  readonly telemetry: Telemetry;
  readonly ledger = new Ledger();
  readonly observers = new Observers();
  readonly main: MainLane;
  readonly fsm: FsmLoop;
  readonly snapshots: SnapshotLoop;
  readonly restores: UserRestores;
  readonly #inFlight = new InFlightEntries();
  readonly #entries: Entries;
  readonly #writer: StoreWriter;
  readonly #peers: PeerSenders;
  readonly #receiver: SnapshotReceiver;
  readonly #performer: Performer;
  readonly #lanes: PeerLanes;
  readonly #timers: NodeTimers;
  readonly #news: LeadershipNews;
  readonly #owner: () => unknown;
  #published: Published;
  #stopped = false;
  #fatal: Error | null = null;
  #stopping: Promise<void> | null = null;

  private constructor(parts: Parts, node: NodeState, telemetry: Telemetry, owner: () => unknown) {
    this.parts = parts;
    this.telemetry = telemetry;
    this.node = node;
    this.#owner = owner;
    this.clock = clockOf(parts.config);
    const { notifyCh } = parts.config;
    this.#news = new LeadershipNews({ notifyCh, logs: parts.logs, clock: this.clock, telemetry });
    this.log = node.log;
    this.#published = published(node);
    this.#timers = new NodeTimers(this.clock, this.post, this.#stepPeer);
    const { lastIndex } = node.terms;
    const limitMs = diskLimitMs(parts.config);
    this.#writer = new StoreWriter(parts, this.clock, lastIndex, limitMs, this.fail, telemetry);
    this.#entries = new Entries(parts.logs, this.#writer.watchdog);
    this.fsm = this.#newFsmLoop();
    const copying = {
      snaps: parts.snaps,
      trans: parts.trans,
      clock: this.clock,
      log: this.log,
      silenceLimitMs: silenceLimitMs(parts.config),
      watchdog: this.#writer.watchdog,
    };
    this.#receiver = new SnapshotReceiver({ ...copying, fsm: this.fsm, entries: this.#entries });
    this.restores = new UserRestores({
      ...copying,
      telemetry,
      ledger: this.ledger,
      post: this.post,
    });
    this.#lanes = new PeerLanes(node, () => this.#performer);
    this.#peers = this.#newPeerSenders();
    this.#performer = this.#newPerformer();
    this.main = new MainLane({
      node,
      clock: this.clock,
      performer: this.#performer,
      hasRoom: () => this.#hasRoom(),
      takeRing: (timer) => this.#timers.takeRing(timer),
      isAwaited: (ticket) => this.ledger.has(ticket),
      saturation: telemetry.mainThreadSaturation,
      onFatal: this.fail,
    });
    this.snapshots = this.#newSnapshotLoop();
  }

  /** Reads the stores, builds the node and starts its lanes. Go: `NewRaft`. */
  static async start(given: Parts, owner: () => unknown): Promise<NodeRunner> {
    const parts = { ...given, ...checkedStores(given) };
    const { config, trans } = parts;
    const log = config.logger ?? silentLogger;
    const self = selfOf(config, trans);
    const preVote = !config.preVoteDisabled && supportsPreVote(trans);
    if (!preVote && !config.preVoteDisabled) {
      log.warn({}, 'pre-vote is disabled because it is not supported by the Transport');
    }
    const restoreSnapshot = !config.noSnapshotRestoreOnStart;
    const telemetry = startTelemetry(given);
    const told = { log, telemetry, clock: clockOf(config) };
    const stores = checkedStores(given, { clock: told.clock, limitMs: diskLimitMs(config) });
    const initial = await readInitialState({ ...parts, ...stores, ...told, self, restoreSnapshot });
    const { latest, latestIndex } = initial.configurations;
    log.info(
      { index: latestIndex, servers: formatServers(latest.servers) },
      'initial configuration',
    );
    const coreConfig = coreConfigOf(config, preVote);
    const node = newNodeState(self, coreConfig, randomOf(config), log, initial);
    const runner = new NodeRunner(parts, node, telemetry, owner);
    runner.#listen();
    return runner;
  }

  /** What users and fast lanes may see. */
  get published(): Published {
    return this.#published;
  }

  /** The newest word on whether this node leads. */
  get leaderCh(): Channel<boolean> {
    return this.#news.leaderCh;
  }

  /** Why the node stopped by itself. */
  get fatal(): Error | null {
    return this.#fatal;
  }

  /** True once the node has stopped or is about to. */
  get isStopped(): boolean {
    return this.#stopped;
  }

  /** Queues an input of the main lane. */
  readonly post = (input: MainInput): void => {
    if (!this.#stopped) this.main.post(input);
  };

  /**
   * The first failure is the last (rule 1): nothing more is written or answered, whoever waits is
   * told, the node is Shutdown and `fatal` says why. The process lives on.
   */
  readonly fail = (error: Error): void => {
    if (this.#stopped) return;
    this.#fatal = error;
    this.#stopSoon();
    this.#attempt(() => this.log.error({ error }, 'node has failed and stops'));
  };

  /**
   * Stops every lane and closes the transport; the stores stay open. Rejects when a write to a
   * store is still under way at the limit: nobody may open that store again before it ended (rule
   * 19).
   */
  shutdown(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  #listen(): void {
    const { trans } = this.parts;
    const inbound = new Inbound({
      node: this.node,
      ledger: this.ledger,
      receiver: this.#receiver,
      published: () => this.#published,
      nowMs: this.#nowMs,
      post: this.post,
      untilRoom: () => this.main.untilRoom(),
      isStopped: this.#isStopped,
      stepStartedMs: () => this.main.stepStartedMs,
      telemetry: this.telemetry,
    });
    trans.setHeartbeatHandler((rpc) => inbound.take(rpc));
    inbound.run(trans.consumer()).catch((error: unknown) => this.fail(asError(error)));
    this.post({ kind: 'start' });
    this.snapshots.start();
  }

  readonly #nowMs = (): number => this.clock.monotonicMs();
  readonly #isStopped = (): boolean => this.#stopped;
  readonly #stepPeer = (input: PeerInput): void => {
    if (this.#stopped) return;
    try {
      this.#lanes.step(input);
    } catch (error) {
      this.fail(asError(error));
    }
    if (input.kind === 'appended') this.main.wake();
  };

  #newFsmLoop(): FsmLoop {
    return new FsmLoop({
      fsm: this.parts.fsm,
      entries: this.#entries,
      inFlight: this.#inFlight,
      clock: this.clock,
      maxBatch: this.parts.config.maxAppendEntries,
      appliedIndex: this.node.lastApplied,
      onProgress: () => this.main.wake(),
      telemetry: this.telemetry,
      log: this.log,
      onFatal: this.fail,
    });
  }

  #newPeerSenders(): PeerSenders {
    return new PeerSenders({
      node: this.node,
      trans: this.parts.trans,
      entries: this.#entries,
      snaps: this.parts.snaps,
      nowMs: this.#nowMs,
      step: this.#stepPeer,
      telemetry: this.telemetry,
      isStopped: this.#isStopped,
      onFatal: this.fail,
    });
  }

  #newPerformer(): Performer {
    return new Performer({
      node: this.node,
      writer: this.#writer,
      entries: this.#entries,
      inFlight: this.#inFlight,
      ledger: this.ledger,
      fsm: this.fsm,
      peers: this.#peers,
      outbound: new Outbound(this.parts.trans, this.node.self, this.post, this.telemetry),
      telemetry: this.telemetry,
      receiver: this.#receiver,
      restores: this.restores,
      now: () => ({ ms: this.#nowMs(), wall: this.clock.wallTime() }),
      setTimer: (request) => this.#timers.request(request),
      stepPeer: this.#stepPeer,
      post: this.post,
      publish: (isDone) => {
        const { node } = this;
        this.#published = isDone ? published(node) : steppedDown(node, this.#published);
      },
      observe: (data) => this.#observe(data),
      leadershipChanged: (isLeader) => this.#news.changed(isLeader),
      shutdownSelf: () => this.#stopWhenApplied(),
      fatal: this.fail,
      isStopped: this.#isStopped,
    });
  }

  #newSnapshotLoop(): SnapshotLoop {
    const { config, snaps, trans } = this.parts;
    return new SnapshotLoop({
      clock: this.clock,
      random: this.node.random,
      log: this.log,
      telemetry: this.telemetry,
      fsm: this.fsm,
      snaps,
      trans,
      intervalMs: () => config.snapshotInterval,
      isWorthwhile: () => this.#snapshotIsWorthwhile(),
      configuration: () => this.#committedConfiguration(),
      onTaken: (index, term) => {
        const { durableIndex } = this.#writer;
        this.post({ kind: 'snapshotTaken', index, term, durableIndex });
      },
    });
  }

  /** Enough entries came since the last one, and the FSM holds some of them. */
  #snapshotIsWorthwhile(): boolean {
    const { node, parts } = this;
    const newEntries = lastIndexOf(node) - node.snapshotIndex;
    if (newEntries < parts.config.snapshotThreshold) return false;
    return this.fsm.finishedIndex > node.snapshotIndex;
  }

  /** Asks the main lane for the committed membership. */
  #committedConfiguration(): Promise<SnapshotConfiguration> {
    if (this.#stopped) return Promise.reject(ErrRaftShutdown);
    return new Promise((settle, fail) => {
      const ticket = this.ledger.open({
        settle: (value) => settle(value as SnapshotConfiguration),
        fail,
      });
      this.post({ kind: 'snapshotConfiguration', ticket });
    });
  }

  /**
   * False while a leader has as much in flight as it may; whoever does not lead refuses at once.
   */
  #hasRoom(): boolean {
    if (this.node.leadership === null) return true;
    return (
      this.#inFlight.size < MAX_IN_FLIGHT_ENTRIES &&
      this.#inFlight.bytes < MAX_IN_FLIGHT_BYTES &&
      this.#writer.pendingBytes < MAX_IN_FLIGHT_BYTES
    );
  }

  #observe(data: ObservationData): Promise<void> | undefined {
    return this.observers.notify({ raft: this.#owner(), data });
  }

  #stopSoon(): void {
    this.shutdown().catch((error: unknown) => {
      this.#attempt(() => this.log.error({ error: asError(error) }, 'shutdown did not end well'));
    });
  }

  /**
   * Stops once the FSM has finished what is committed: the caller of a removal wants its answer.
   */
  #stopWhenApplied(): void {
    const pending = this.fsm.untilFinished(this.node.lastApplied);
    if (pending === undefined) return this.#stopSoon();
    const limit = this.clock.setTimer(SHUTDOWN_LIMIT_MS, () => this.#stopSoon());
    const stop = (): void => {
      limit.cancel();
      this.#stopSoon();
    };
    pending.then(stop, stop);
  }

  /** Runs code of others during a shutdown, which nothing they throw may stop. */
  #attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#fatal ??= asError(error);
    }
  }

  async #stop(): Promise<void> {
    const { trans } = this.parts;
    this.#stopped = true;
    const reason = this.#fatal ?? ErrRaftShutdown;
    this.#writer.close(reason);
    this.#timers.close();
    if (this.#fatal !== null) this.#inFlight.failAfter(0, this.#fatal);
    this.restores.stop(reason);
    this.#attempt(() => this.#stepShutdown());
    this.#news.close();
    this.#published = { ...published(this.node), role: RaftState.Shutdown };
    this.#attempt(() => trans.setHeartbeatHandler(null));
    this.#receiver.stop();
    this.#peers.close();
    const ends = new Map<string, Promise<unknown>>([
      ['a write to a store', this.#writer.idle()],
      ['the main lane', this.main.stop(reason)],
      ['the FSM', this.fsm.stop(reason)],
      ['a snapshot', this.snapshots.stop()],
    ]);
    this.#attempt(() => this.ledger.failAll(reason));
    this.#inFlight.failAfter(0, reason);
    if (supportsClose(trans)) ends.set('the transport', (async () => trans.close())());
    await untilEnded(this.clock, ends, SHUTDOWN_LIMIT_MS);
  }

  #stepShutdown(): void {
    const out = new Effects();
    const now = { ms: this.#nowMs(), wall: this.clock.wallTime() };
    stepMain(this.node, { kind: 'shutdown' }, now, out);
    this.#performer.performNow(out);
  }
}
