import { type Deferred, newDeferred } from '../internal/deferred.ts';
import { seededRandom } from '../internal/random.ts';
import { ZERO_TIME } from '../internal/timestamp.ts';
import { type Config, defaultConfig } from '../raft/config.ts';
import { Configuration, ServerSuffrage } from '../raft/configuration.ts';
import type { FSM, FSMSnapshot } from '../raft/fsm.ts';
import type { Future } from '../raft/future.ts';
import {
  type Log,
  type LogStore,
  LogType,
  type MaybePromise,
  type RangeReadingLogStore,
  type TailReplacingLogStore,
} from '../raft/log.ts';
import type { Logger } from '../raft/logger.ts';
import { newRaft, type Raft } from '../raft/raft.ts';
import { bootstrapCluster } from '../raft/recover.ts';
import type { SnapshotStore } from '../raft/snapshot.ts';
import type { AtomicStableStore, StableStore, StableWrite } from '../raft/stable.ts';
import { RaftState } from '../raft/state.ts';
import { newInmemSnapshotStore } from '../snapshot/inmem-snapshot-store.ts';
import { InmemStore } from '../store/inmem-store.ts';
import { type InmemTransport, newInmemTransportWithTimeout } from '../transport/inmem-transport.ts';
import { recordingLogger } from './core-fixture.ts';
import { Scheduler, SimProcess } from './sim/virtual-clock.ts';

const text = new TextDecoder();
const bytes = new TextEncoder();

/** Lets everything run that is ready to: all micro-tasks, and what they start. */
export function turn(): Promise<void> {
  return new Promise((resume) => setImmediate(resume));
}

/** Time that passes when a test says so. */
export class VirtualTime {
  readonly scheduler = new Scheduler();
  readonly clock = new SimProcess(this.scheduler, 'test');

  /** Lets `ms` milliseconds pass. */
  async pass(ms: number): Promise<void> {
    await this.scheduler.run(
      () => false,
      this.scheduler.nowMs + ms,
      () => {},
    );
  }

  /** Lets time pass until `isDone`; throws after `limitMs`. */
  async until(isDone: () => boolean, what = 'it', limitMs = 20_000): Promise<void> {
    const limit = this.scheduler.nowMs + limitMs;
    if (await this.scheduler.run(isDone, limit, () => {})) return;
    throw new Error(`waited ${limitMs} virtual ms until ${what}`);
  }

  /** Lets time pass until the future is done, and gives what its `error()` gives. */
  error(future: Pick<Future<unknown>, 'error'>, limitMs = 20_000): Promise<Error | null> {
    return this.result(future.error(), limitMs);
  }

  /** Lets time pass until the future is done, and gives its result or throws. */
  async result<T>(future: PromiseLike<T>, limitMs = 20_000): Promise<T> {
    let isSettled = false;
    const promise = Promise.resolve(future).finally(() => {
      isSettled = true;
    });
    promise.catch(() => {});
    await this.until(() => isSettled, 'the promise is settled', limitMs);
    return promise;
  }
}

/** A door that is shut until somebody opens it. */
export class Gate {
  readonly #waiting: Deferred<void>[] = [];
  #isOpen = false;

  /** How many stand before it. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Waits until the door is opened. */
  readonly pass = (): MaybePromise<void> => {
    if (this.#isOpen) return undefined;
    const here = newDeferred<void>();
    this.#waiting.push(here);
    return here.promise;
  };

  /** Lets the first one through. */
  letOne(): void {
    this.#waiting.shift()?.resolve();
  }

  /** Lets everybody through, now and later. */
  open(): void {
    this.#isOpen = true;
    for (const here of this.#waiting.splice(0)) here.resolve();
  }
}

function range(logs: readonly Log[]): string {
  return `${logs[0]?.index}-${logs.at(-1)?.index}`;
}

/** A store with none of the optional abilities, whose writes can be watched, held up and failed. */
export class HookedStore implements LogStore, StableStore {
  readonly inner = new InmemStore();
  /** Every write, in the order in which it was performed. */
  readonly writes: string[] = [];
  /** Runs before a write takes effect. */
  onWrite: (what: string) => MaybePromise<void> = () => {};
  /** Runs before entries are read. */
  onRead: (index: number) => MaybePromise<void> = () => {};

  protected write(what: string, perform: () => void): MaybePromise<void> {
    const held = this.onWrite(what);
    const finish = (): void => {
      this.writes.push(what);
      perform();
    };
    return held === undefined ? finish() : held.then(finish);
  }

  firstIndex(): number {
    return this.inner.firstIndex();
  }
  lastIndex(): number {
    return this.inner.lastIndex();
  }
  getLog(index: number): MaybePromise<Log> {
    const held = this.onRead(index);
    return held === undefined
      ? this.inner.getLog(index)
      : held.then(() => this.inner.getLog(index));
  }
  storeLog(log: Log): MaybePromise<void> {
    return this.storeLogs([log]);
  }
  storeLogs(logs: readonly Log[]): MaybePromise<void> {
    return this.write(`store ${range(logs)}`, () => this.inner.storeLogs(logs));
  }
  deleteRange(min: number, max: number): MaybePromise<void> {
    return this.write(`delete ${min}-${max}`, () => this.inner.deleteRange(min, max));
  }
  set(key: Uint8Array, value: Uint8Array): MaybePromise<void> {
    return this.write(`${text.decode(key)}=${text.decode(value)}`, () =>
      this.inner.set(key, value),
    );
  }
  get(key: Uint8Array): Uint8Array {
    return this.inner.get(key);
  }
  setUint64(key: Uint8Array, value: number): MaybePromise<void> {
    return this.write(`${text.decode(key)}=${value}`, () => this.inner.setUint64(key, value));
  }
  getUint64(key: Uint8Array): number {
    return this.inner.getUint64(key);
  }
}

/** The same with every optional ability. */
export class AbleHookedStore
  extends HookedStore
  implements TailReplacingLogStore, RangeReadingLogStore, AtomicStableStore
{
  replaceTail(from: number, logs: readonly Log[]): MaybePromise<void> {
    return this.write(`replace ${from} by ${range(logs)}`, () =>
      this.inner.replaceTail(from, logs),
    );
  }
  getLogRange(first: number, last: number, maxBytes: number): MaybePromise<Log[]> {
    const held = this.onRead(first);
    const read = () => this.inner.getLogRange(first, last, maxBytes);
    return held === undefined ? read() : held.then(read);
  }
  setMany(writes: readonly StableWrite[]): MaybePromise<void> {
    const what = writes.map(({ key, value }) => {
      const shown = typeof value === 'number' ? value : text.decode(value);
      return `${text.decode(key)}=${shown}`;
    });
    return this.write(what.join(' '), () => this.inner.setMany(writes));
  }
}

/** A state machine that remembers what it was told. Its answer is how much that is. */
export class ListFSM implements FSM {
  applied: string[] = [];
  indexes: number[] = [];
  /** Runs before a command takes effect. */
  onApply: (log: Log) => MaybePromise<void> = () => {};
  /** Runs before the picture is written down. */
  onPersist: () => MaybePromise<void> = () => {};
  released = 0;
  restores = 0;

  apply(log: Log): unknown {
    const held = this.onApply(log);
    const finish = (): number => {
      this.indexes.push(log.index);
      return this.applied.push(text.decode(log.data ?? new Uint8Array()));
    };
    return held === undefined ? finish() : held.then(finish);
  }

  snapshot(): FSMSnapshot {
    const picture = JSON.stringify(this.applied);
    return {
      persist: async (sink) => {
        await this.onPersist();
        await sink.write(bytes.encode(picture));
      },
      release: () => {
        this.released += 1;
      },
    };
  }

  async restore(reader: AsyncIterable<Uint8Array>): Promise<void> {
    let found = '';
    for await (const chunk of reader) found += text.decode(chunk);
    this.applied = JSON.parse(found) as string[];
    this.indexes = [];
    this.restores += 1;
  }
}

/** An entry that carries a command of `size` bytes. */
export function logOf(index: number, term: number, size = 4): Log {
  const data = new Uint8Array(size).fill(index % 256);
  return { index, term, type: LogType.LogCommand, data, extensions: null, appendedAt: ZERO_TIME };
}

/** What a node of a test is made of; everything has a default. */
export interface TestNodeOptions {
  readonly config?: Partial<Config>;
  readonly store?: LogStore & StableStore;
  readonly snaps?: SnapshotStore;
  readonly fsm?: FSM;
}

/** One node of a {@link TestCluster}: what lasts, and the one that runs on it. */
export class TestNode {
  readonly id: string;
  readonly address: string;
  readonly store: LogStore & StableStore;
  readonly snaps: SnapshotStore;
  fsm: FSM;
  transport: InmemTransport;
  readonly clock: SimProcess;
  readonly lines: string[];
  readonly log: Logger;
  config: Config;
  #raft: Raft | null = null;

  constructor(time: VirtualTime, id: string, seed: number, options: TestNodeOptions) {
    this.id = id;
    this.address = `${id}:1`;
    this.clock = new SimProcess(time.scheduler, id);
    this.store = options.store ?? new InmemStore();
    this.snaps = options.snaps ?? newInmemSnapshotStore(this.clock);
    this.fsm = options.fsm ?? new ListFSM();
    this.transport = this.#newTransport();
    const { log, lines } = recordingLogger();
    this.log = log;
    this.lines = lines;
    this.config = {
      ...defaultConfig(),
      heartbeatTimeout: 50,
      electionTimeout: 50,
      leaderLeaseTimeout: 50,
      commitTimeout: 5,
      localID: id,
      clock: this.clock,
      random: seededRandom(seed),
      logger: this.log,
      ...options.config,
    };
  }

  get raft(): Raft {
    if (this.#raft === null) throw new Error(`${this.id} does not run`);
    return this.#raft;
  }

  get isLeader(): boolean {
    return this.#raft?.state() === RaftState.Leader;
  }

  /** What the state machine was told, when it is a {@link ListFSM}. */
  get applied(): readonly string[] {
    return this.fsm instanceof ListFSM ? this.fsm.applied : [];
  }

  async start(): Promise<Raft> {
    const { config, fsm, store, snaps, transport } = this;
    this.#raft = await newRaft(config, fsm, store, store, snaps, transport);
    return this.#raft;
  }

  /** Makes ready to start again: a new transport, and a state machine that knows nothing. */
  renew(fsm: FSM = new ListFSM()): void {
    this.fsm = fsm;
    this.transport = this.#newTransport();
  }

  async stop(): Promise<void> {
    await this.#raft?.shutdown();
    this.#raft = null;
  }

  #newTransport(): InmemTransport {
    const { address, clock } = this;
    return newInmemTransportWithTimeout(address, 500, { clock, consumerCapacity: 256 })[1];
  }
}

/** Nodes in one process, on virtual time and connected in memory. */
export class TestCluster {
  readonly time = new VirtualTime();
  readonly nodes: TestNode[] = [];
  readonly #seed: number;

  /** @param seed the same seed gives the same run */
  constructor(seed = 1) {
    this.#seed = seed;
  }

  /** Adds a node that has never run and is not connected. */
  add(options: TestNodeOptions = {}): TestNode {
    const { length } = this.nodes;
    const id = String.fromCharCode('a'.charCodeAt(0) + length);
    const node = new TestNode(this.time, id, this.#seed * 1000 + length, options);
    this.nodes.push(node);
    return node;
  }

  /** Adds `count` nodes that know each other as voters, connects and starts them. */
  async start(count: number, options: (id: number) => TestNodeOptions = () => ({})): Promise<this> {
    for (let i = 0; i < count; i += 1) this.add(options(i));
    const suffrage = ServerSuffrage.Voter;
    const configuration = new Configuration(
      this.nodes.map(({ id, address }) => ({ suffrage, id, address })),
    );
    for (const { config, store, snaps, transport } of this.nodes) {
      await bootstrapCluster(config, store, store, snaps, transport, configuration);
    }
    this.connect();
    for (const node of this.nodes) await node.start();
    return this;
  }

  /** Opens every way between these nodes. */
  connect(nodes: readonly TestNode[] = this.nodes): void {
    for (const a of nodes) for (const b of nodes) a.transport.connect(b.address, b.transport);
  }

  /** Closes every way between these nodes and all others. */
  isolate(...nodes: readonly TestNode[]): void {
    for (const a of nodes) {
      for (const b of this.nodes.filter((node) => !nodes.includes(node))) {
        a.transport.disconnect(b.address);
        b.transport.disconnect(a.address);
      }
    }
  }

  /** Waits until one of `nodes` leads and all of them know it. */
  async leader(nodes: readonly TestNode[] = this.nodes): Promise<TestNode> {
    const led = (): TestNode | undefined => {
      const leaders = nodes.filter((node) => node.isLeader);
      const [leader] = leaders;
      if (leaders.length !== 1 || leader === undefined) return undefined;
      return nodes.every(({ raft }) => raft.leaderWithID().id === leader.id) ? leader : undefined;
    };
    await this.time.until(() => led() !== undefined, 'there is one leader');
    const leader = led();
    if (leader === undefined) throw new Error('the leader is gone again');
    return leader;
  }

  /** Waits until the state machines of `nodes` were told the same, `count` commands. */
  async agree(count: number, nodes: readonly TestNode[] = this.nodes): Promise<void> {
    const same = (): boolean => {
      const first = JSON.stringify(nodes[0]?.applied);
      return nodes.every((n) => n.applied.length === count && JSON.stringify(n.applied) === first);
    };
    await this.time.until(same, `${count} commands are everywhere`);
  }

  /** Shuts every node down. */
  async close(): Promise<void> {
    await this.time.result(Promise.all(this.nodes.map((node) => node.stop())));
  }
}
