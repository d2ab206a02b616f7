import { bytesEqual, concatBytes, copyBytes } from '../../internal/bytes.ts';
import { seededRandom } from '../../internal/random.ts';
import type { ServerID } from '../../raft/configuration.ts';
import { asError, RaftError } from '../../raft/errors.ts';
import type { FSM } from '../../raft/fsm.ts';
import type { ApplyFuture } from '../../raft/future.ts';
import type { RaftNode } from '../../raft/node.ts';
import { SimCluster } from './cluster.ts';
import { Court } from './court.ts';
import { type FaultKind, faultKinds } from './fault-kinds.ts';
import { invariants } from './invariants/index.ts';
import { Nemesis } from './nemesis.ts';
import { SimNetwork } from './network.ts';
import { drawProfile } from './profile.ts';
import { newScribe, traceWriter } from './scribe.ts';
import type { SimNode } from './sim-node.ts';
import { hashText, Trace } from './trace.ts';
import { Scheduler } from './virtual-clock.ts';

/** What a {@link SimulatedCluster} is made of. */
export interface SimulatedClusterOptions<F extends FSM> {
  /** Any integer: the same seed, code and calls give the same run. */
  readonly seed: number;
  /** How many servers, 1 to 7. Default 3. */
  readonly nodes?: number;
  /** Makes an empty state machine; called at every start of a node. */
  readonly fsm: (id: ServerID) => F;
  /** What goes wrong until {@link SimulatedCluster.settle}. Default: nothing. */
  readonly faults?: readonly FaultKind[] | 'all';
  /** Milliseconds of virtual time between two faults, at most. Default 250. */
  readonly faultEveryMs?: number;
}

const DEFAULT_FAULT_EVERY_MS = 250;
const TRACE_LINES = 200;
/** A cluster without faults elects and agrees within this much virtual time. */
const PATIENCE_MS = 20_000;

/**
 * Real nodes in one thread, on a virtual clock and on simulated networks and disks, with a state
 * machine of yours. Time passes only inside the methods that wait, as fast as the machine can go.
 */
export class SimulatedCluster<F extends FSM> {
  readonly #seed: number;
  readonly #scheduler = new Scheduler();
  readonly #trace = new Trace(TRACE_LINES);
  readonly #court: Court;
  readonly #cluster: SimCluster;
  readonly #nemesis: Nemesis;
  readonly #machines = new WeakMap<FSM, F>();

  /** Prefer {@link newSimulatedCluster}. */
  constructor({ seed, nodes = 3, fsm, faults = [], faultEveryMs }: SimulatedClusterOptions<F>) {
    this.#seed = seed;
    const dice = (what: string) => seededRandom(hashText(`${seed} ${what}`));
    const write = traceWriter(this.#trace, () => this.#scheduler.nowMs);
    // That rule tells commands apart by their bytes; yours may come twice.
    const rules = invariants.filter(({ name }) => name !== 'truthful-outcomes');
    this.#court = new Court(rules, newScribe(write));
    const network = new SimNetwork(this.#scheduler, dice('network'), this.#court);
    const fixed = { nodes, spares: 0, memberChanges: false, userRestores: false };
    const world = {
      scheduler: this.#scheduler,
      network,
      court: this.#court,
      profile: drawProfile(dice('profile'), fixed),
      write,
      newFSM: (id: ServerID): FSM => {
        const made = fsm(id);
        this.#machines.set(made, made);
        return made;
      },
    };
    this.#cluster = new SimCluster(world, dice('cluster'), (id) => dice(`node ${id}`));
    const kinds = faults === 'all' ? faultKinds : faults;
    const everyMs = faultEveryMs ?? DEFAULT_FAULT_EVERY_MS;
    this.#nemesis = new Nemesis(this.#cluster, dice('nemesis'), kinds, everyMs, null);
    this.#cluster.start();
    this.#nemesis.start();
  }

  /** Names of all servers, also of those that are down. */
  get ids(): readonly ServerID[] {
    return this.#cluster.nodes.map(({ id }) => id);
  }

  /** Milliseconds of virtual time since the beginning. */
  get nowMs(): number {
    return this.#scheduler.nowMs;
  }

  /** The last lines of what happened. */
  get trace(): readonly string[] {
    return this.#trace.tail();
  }

  /** The node of that name as it runs now, `null` while it is down or starting. */
  raft(id: ServerID): RaftNode | null {
    return this.#node(id).raft;
  }

  /** The state machine of that node, `null` while it is down. */
  fsm(id: ServerID): F | null {
    const { userFSM } = this.#node(id);
    return (userFSM === null ? undefined : this.#machines.get(userFSM)) ?? null;
  }

  /** Lets virtual time pass. Rejects when a rule of Raft is broken. */
  async run(ms: number): Promise<void> {
    await this.#until(() => false, ms);
  }

  /** Lets time pass until `isDone`; rejects with `ERR_SIMULATION` when `limitMs` pass before. */
  async until(isDone: () => boolean, limitMs = PATIENCE_MS): Promise<void> {
    if (await this.#until(isDone, limitMs)) return;
    throw this.#failed(`expected something to happen within ${limitMs} ms of virtual time`);
  }

  /** Waits for a leader and gives its name. */
  async leader(): Promise<ServerID> {
    let found: SimNode | undefined;
    await this.until(() => {
      found = this.#cluster.nodes.find(({ isLeader }) => isLeader);
      return found !== undefined;
    });
    return found?.id ?? '';
  }

  /**
   * Has a command applied and gives the state machine's answer. A command that was certainly not
   * applied is tried again, and so is one whose node went down, which may be applied twice then;
   * rejects when a node says that the outcome is unknown.
   */
  async apply(command: Uint8Array): Promise<unknown> {
    for (;;) {
      const { future } = await this.#propose(await this.leader(), copyBytes(command));
      if (future === null) continue;
      if (future.outcome() === 'applied') return future.response();
      if (future.outcome() === 'unknown') throw (await future.error()) ?? this.#failed('no answer');
      await this.run(50);
    }
  }

  /** Kills a node, or takes its power; it starts again after `downMs` of virtual time. */
  crash(id: ServerID, kind: 'kill' | 'power-loss' = 'kill', downMs = 100): void {
    this.#cluster.crash(this.#node(id), kind, downMs);
  }

  /** Cuts a node off from all others, until {@link SimulatedCluster.heal}. */
  isolate(id: ServerID): void {
    const { network } = this.#cluster.world;
    const { address } = this.#node(id);
    for (const other of this.#cluster.nodes) {
      network.cut(address, other.address);
      network.cut(other.address, address);
    }
  }

  /** Joins again what was cut. */
  heal(): void {
    this.#cluster.world.network.heal();
  }

  /**
   * Ends all faults, waits until every node has applied the same, and compares the snapshots of all
   * state machines byte by byte: equal histories must give equal states. Rejects with
   * `ERR_SIMULATION` when they do not agree in time, or differ.
   */
  async settle(): Promise<void> {
    this.#nemesis.stop();
    await this.until(() => this.#isSettled());
    const pictures: { readonly id: ServerID; readonly bytes: Uint8Array }[] = [];
    for (const { id, userFSM, isLost } of this.#cluster.nodes) {
      if (userFSM !== null && !isLost) pictures.push({ id, bytes: await this.#draw(userFSM) });
    }
    const [first] = pictures;
    const other = pictures.find(({ bytes }) => !bytesEqual(bytes, first?.bytes ?? bytes));
    if (first !== undefined && other !== undefined) {
      throw this.#failed(
        `the state machines of ${first.id} and ${other.id} applied the same commands and are ` +
          'in different states: does one use a clock, a random number or the order of a map?',
      );
    }
  }

  /** Shuts every node down. */
  async close(): Promise<void> {
    this.#nemesis.stop();
    this.#cluster.close();
    const open = new Set(this.#cluster.nodes.filter(({ raft }) => raft !== null));
    for (const node of open) {
      node.process?.deliver(0, () => {
        void node.raft
          ?.shutdown()
          .error()
          .then(() => open.delete(node));
      });
    }
    await this.until(() => open.size === 0);
  }

  /** Closes the cluster at the end of the block that declared it with `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Proposes inside the node's process; `null` when it went down before it answered. */
  async #propose(
    id: ServerID,
    command: Uint8Array,
  ): Promise<{ readonly future: ApplyFuture | null }> {
    const node = this.#node(id);
    const { process } = node;
    const answered: ApplyFuture[] = [];
    process?.deliver(0, () => {
      const future = node.raft?.apply(command);
      void future?.error().then(() => answered.push(future));
    });
    await this.until(() => answered.length > 0 || process === null || !process.isAlive);
    return { future: answered[0] ?? null };
  }

  #isSettled(): boolean {
    const up = this.#cluster.nodes.filter(({ isLost }) => !isLost);
    if (up.some(({ raft, hasStopped }) => raft === null || hasStopped)) return false;
    const indexes = new Set(up.map(({ raft }) => raft?.appliedIndex() ?? -1));
    const leader = up.find(({ isLeader }) => isLeader);
    const isDone = leader?.raft?.commitIndex() === leader?.raft?.lastIndex();
    if (leader === undefined || !isDone || indexes.size !== 1 || indexes.has(-1)) return false;
    // The applied index tells what an FSM was given; it may not have finished that.
    return up.map(({ raft }) => raft?.stats() ?? {}).every(({ fsm_pending: left }) => left === '0');
  }

  /** Everything that a state machine writes into a snapshot. */
  async #draw(fsm: FSM): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    const snapshot = await fsm.snapshot();
    await snapshot.persist({
      id: () => 'comparison',
      write: async (chunk) => {
        chunks.push(copyBytes(chunk));
        return chunk.length;
      },
      close: async () => {},
      cancel: async () => {},
    });
    snapshot.release();
    return concatBytes(chunks);
  }

  #node(id: ServerID): SimNode {
    const node = this.#cluster.nodes.find((one) => one.id === id);
    if (node !== undefined) return node;
    throw new RaftError('ERR_INVALID_ARGUMENT', `expected one of ${this.ids}, got ${id}`);
  }

  async #until(isDone: () => boolean, ms: number): Promise<boolean> {
    const untilMs = this.#scheduler.nowMs + ms;
    await this.#scheduler.run(
      () => this.#court.violation !== null || isDone(),
      untilMs,
      (process) => this.#cluster.stepped(process),
    );
    const { violation } = this.#court;
    if (violation !== null) throw this.#failed(`${violation.invariant}: ${violation.message}`);
    return isDone();
  }

  #failed(what: string): RaftError {
    const text = `seed ${this.#seed}, at ${this.nowMs.toFixed(1)} ms: ${what}`;
    return new RaftError('ERR_SIMULATION', text, { cause: asError(this.trace.join('\n')) });
  }
}

/**
 * Starts a simulated cluster whose nodes run a state machine of yours.
 *
 * @example
 * ```ts
 * import { MockFSM, newSimulatedCluster } from 'quorate/testing';
 *
 * const cluster = newSimulatedCluster({ seed: 7, fsm: () => new MockFSM(), faults: ['kill'] });
 * for (let i = 0; i < 20; i += 1) {
 *   await cluster.apply(new TextEncoder().encode(`command ${i}`)).catch(() => {});
 * }
 * await cluster.settle();
 * await cluster.close();
 * ```
 */
export function newSimulatedCluster<F extends FSM>(
  options: SimulatedClusterOptions<F>,
): SimulatedCluster<F> {
  return new SimulatedCluster(options);
}
