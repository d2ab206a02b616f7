import { type Random, seededRandom } from '../../internal/random.ts';
import { RaftState } from '../../raft/state.ts';
import { SimCluster } from './cluster.ts';
import { Court, type Violation } from './court.ts';
import { type FaultKind, faultKinds } from './fault-kinds.ts';
import { invariants } from './invariants/index.ts';
import { Nemesis } from './nemesis.ts';
import { MAX_JOURNEY_MS, SimNetwork } from './network.ts';
import { drawProfile, drawSwarm, type Profile } from './profile.ts';
import { newScribe, traceWriter } from './scribe.ts';
import { SNAPSHOT_PATIENCE } from './sim-transport.ts';
import { hashText, Trace } from './trace.ts';
import { Scheduler } from './virtual-clock.ts';
import { Workload } from './workload.ts';

/** What to simulate. The same options give the same run, byte for byte. */
export interface SimulationOptions {
  /** Any integer. Everything that is not given is drawn from it. */
  readonly seed: number;
  /** Servers in the first configuration, 1 to 7. */
  readonly nodes?: number;
  /** Milliseconds of virtual time in which faults happen. Default 2000. */
  readonly durationMs?: number;
  /** What may go wrong. Default: some kinds of everything, drawn from the seed. */
  readonly faults?: readonly FaultKind[];
  /** Milliseconds between two faults, at most. Default: drawn, 80 to 500. */
  readonly faultEveryMs?: number;
  /** The numbers of the faults that come, from 1: the others are left out. Default: all. */
  readonly strikes?: readonly number[];
  /** Events in which faults happen, instead of a time; a long run has 100,000. */
  readonly steps?: number;
  /** Fixes how nodes are built and tuned. */
  readonly profile?: Partial<Profile>;
  /** Changes the run from outside, after it is set up and before it begins. */
  readonly script?: (cluster: SimCluster, random: Random) => void;
  /** How many last lines of the trace are kept; 0 writes none, and is faster. Default 200. */
  readonly traceLines?: number;
}

/** How a run went. */
export interface SimulationResult {
  /** Which gives the same run again. */
  readonly seed: number;
  /** The first rule that was broken, `null` when none was. */
  readonly violation: Violation | null;
  /** The last lines of what happened. */
  readonly trace: readonly string[];
  /** A hash over all lines, if any are written: equal runs have equal hashes. */
  readonly traceHash: string;
  /** How many events there were. */
  readonly events: number;
  /** How long it took on the virtual clock, in milliseconds. */
  readonly virtualMs: number;
  /** How much of that time clients asked and faults came. */
  readonly loadedMs: number;
  /** Commands that clients asked for. */
  readonly proposed: number;
  /** Commands that a client was told are applied. */
  readonly acknowledged: number;
  /** False when the history of the clients was too hard to judge. */
  readonly isDecided: boolean;
  /** How many entries were committed. */
  readonly committed: number;
  /** The newest term. */
  readonly newestTerm: number;
  /** How often each kind of fault was injected. */
  readonly faults: ReadonlyMap<FaultKind, number>;
  /** The numbers of the faults that came. */
  readonly strikes: readonly number[];
  /** How often a node changed its role, such as `Candidate to Leader`. */
  readonly roleChanges: ReadonlyMap<string, number>;
}

const DEFAULT_DURATION_MS = 2_000;
const DEFAULT_TRACE_LINES = 200;
/**
 * After the last fault a cluster gets this long to agree, in election timeouts, and as long again
 * whenever a node has applied what it never had: a backlog may be long and a disk slow.
 */
const PATIENCE_ELECTION_TIMEOUTS = 40;
/** Nobody gets more than this times the patience, however much goes on. */
const MOST_PATIENCE = 10;
/** More events than any honest run has: something spins. */
const MAX_EVENTS = 400_000;

/** One run: its parts, and the order in which they act. */
class Simulation {
  readonly #options: SimulationOptions;
  readonly #scheduler = new Scheduler();
  readonly #trace: Trace;
  readonly #court: Court;
  readonly #cluster: SimCluster;
  readonly #workload: Workload;
  readonly #nemesis: Nemesis;
  #isDecided = true;
  #lastStep = { name: '', atMs: 0 };

  constructor(options: SimulationOptions) {
    this.#options = options;
    const dice = (what: string): Random => seededRandom(hashText(`${options.seed} ${what}`));
    const lines = options.traceLines ?? DEFAULT_TRACE_LINES;
    this.#trace = new Trace(lines);
    const write = lines === 0 ? null : traceWriter(this.#trace, () => this.#scheduler.nowMs);
    this.#court = new Court(invariants, write === null ? {} : newScribe(write));
    const network = new SimNetwork(this.#scheduler, dice('network'), this.#court);
    const { nodes } = options;
    const fixed = { ...options.profile, ...(nodes === undefined ? {} : { nodes }) };
    const profile = drawProfile(dice('profile'), fixed);
    const world = { scheduler: this.#scheduler, network, court: this.#court, profile, write };
    this.#cluster = new SimCluster(world, dice('cluster'), (id) => dice(`node ${id}`));
    this.#workload = new Workload(this.#cluster, dice('workload'));
    const swarm = drawSwarm(dice('swarm'), faultKinds);
    const kinds = options.faults ?? swarm.kinds;
    const everyMs = options.faultEveryMs ?? swarm.everyMs;
    const wanted = options.strikes ?? null;
    this.#nemesis = new Nemesis(this.#cluster, dice('nemesis'), kinds, everyMs, wanted);
    write?.('--', `seed ${options.seed} ${JSON.stringify(profile)}`);
    write?.('--', `at most every ${everyMs} ms: ${kinds.join(', ')}`);
    options.script?.(this.#cluster, dice('script'));
  }

  async run(): Promise<SimulationResult> {
    this.#cluster.start();
    this.#workload.start();
    this.#nemesis.start();
    const { steps, durationMs = DEFAULT_DURATION_MS } = this.#options;
    if (steps === undefined) await this.#until(() => false, durationMs);
    else await this.#until(() => this.#scheduler.eventsRun >= steps, steps);
    const loadedMs = this.#scheduler.nowMs;
    for (const act of [this.#calm, this.#agree, this.#close, this.#judge]) {
      if (this.#court.violation === null) await act.call(this);
    }
    return {
      seed: this.#options.seed,
      violation: this.#court.violation,
      trace: this.#trace.tail(),
      traceHash: this.#trace.hash,
      events: this.#scheduler.eventsRun,
      virtualMs: this.#scheduler.nowMs,
      loadedMs,
      proposed: this.#workload.proposed,
      acknowledged: this.#workload.applied,
      isDecided: this.#isDecided,
      committed: this.#court.facts.committedUpTo,
      newestTerm: this.#court.facts.newestTermLed,
      faults: this.#nemesis.struck,
      strikes: this.#nemesis.strikes,
      roleChanges: this.#cluster.roleChanges,
    };
  }

  /** Clients and faults end. */
  #calm(): void {
    this.#workload.stop();
    this.#nemesis.stop();
  }

  /** Whoever was told something is told the same again, and nobody was forgotten. */
  #judge(): void {
    this.#workload.askAgain();
    this.#isDecided = this.#workload.judgeHistory();
    this.#court.ended();
  }

  /** The cluster elects, commits a new command, and every member comes to the same state. */
  async #agree(): Promise<void> {
    const electionTimeoutMs = this.#longestElectionTimeoutMs();
    const patienceMs = electionTimeoutMs * PATIENCE_ELECTION_TIMEOUTS;
    let probe = 0;
    const tryAgain = (): void => {
      if (probe !== 0) return;
      for (const node of this.#cluster.nodes.filter(({ isLeader }) => isLeader)) {
        this.#workload.applyThrough(node, (index) => {
          probe = index;
        });
      }
      this.#scheduler.schedule(electionTimeoutMs, tryAgain);
    };
    tryAgain();
    if (!(await this.#inTime(() => probe !== 0, patienceMs))) {
      this.#court.violated('liveness', `no write in ${patienceMs} ms without faults`);
    } else if (!(await this.#inTime(() => this.#membersAgree(), patienceMs))) {
      this.#court.violated('liveness', `no agreement in ${patienceMs} ms without faults`);
    } else if (!(await this.#inTime(() => this.#workload.isAnswered, patienceMs))) {
      this.#court.ended();
    } else if (!(await this.#inTime(() => this.#allAreUp(), patienceMs))) {
      this.#court.violated('liveness', `a node does not come up in ${patienceMs} ms`);
    }
  }

  /** Lets time pass until `isDone`, as long as no `patienceMs` go by without progress. */
  async #inTime(isDone: () => boolean, patienceMs: number): Promise<boolean> {
    const endMs = this.#scheduler.nowMs + MOST_PATIENCE * patienceMs;
    for (;;) {
      const before = this.#cluster.progress();
      const leftMs = Math.min(patienceMs, endMs - this.#scheduler.nowMs);
      if (await this.#until(isDone, leftMs)) return true;
      if (this.#cluster.progress() === before || this.#scheduler.nowMs >= endMs) return false;
    }
  }

  /** True when every member has applied the same, and all that any client was told of. */
  #membersAgree(): boolean {
    const leader = this.#cluster.nodes.find(({ isLeader }) => isLeader);
    const index = leader?.fsm?.state.index ?? 0;
    const { facts } = this.#court;
    if (leader === undefined || index < facts.acknowledgedUpTo) return false;
    const [configuration] = facts.configurationsOf(leader);
    const members = new Set(configuration?.servers.map(({ id }) => id));
    return this.#cluster.nodes.every(
      ({ id, fsm, isLost }) => isLost || !members.has(id) || fsm?.state.index === index,
    );
  }

  #longestElectionTimeoutMs(): number {
    return Math.max(...this.#cluster.nodes.map(({ profile }) => profile.electionTimeoutMs));
  }

  #allAreUp(): boolean {
    return this.#cluster.nodes.every(
      ({ raft, hasStopped, isLost }) => isLost || (raft !== null && !hasStopped),
    );
  }

  /** Every node shuts down, and after that nothing of it stirs. */
  async #close(): Promise<void> {
    const { nodes, world } = this.#cluster;
    this.#cluster.close();
    const electionTimeoutMs = this.#longestElectionTimeoutMs();
    const { rpcTimeoutMs } = world.profile;
    const patienceMs = electionTimeoutMs * PATIENCE_ELECTION_TIMEOUTS;
    const open = new Set(nodes.filter(({ raft }) => raft !== null));
    for (const node of open) {
      node.process?.deliver(0, () => {
        node.raft
          ?.shutdown()
          .error()
          .then(() => open.delete(node));
      });
    }
    if (!(await this.#until(() => open.size === 0, patienceMs))) {
      this.#court.violated('liveness', `shutdown takes more than ${patienceMs} ms`);
    }
    for (const { id, raft } of nodes) {
      if (raft !== null && raft.state() !== RaftState.Shutdown) {
        this.#court.violated('liveness', `${id} was shut down and is not in state Shutdown`);
      }
    }
    // What is under way in the network, and whoever waits for it, is given time to end.
    await this.#until(() => false, SNAPSHOT_PATIENCE * rpcTimeoutMs + 2 * MAX_JOURNEY_MS);
    const quietFromMs = this.#scheduler.nowMs;
    await this.#until(() => false, patienceMs);
    const { name, atMs } = this.#lastStep;
    if (atMs > quietFromMs) {
      this.#court.violated('quiet-after-shutdown', `${name} still stirs at ${atMs} ms`);
    }
  }

  /** Lets virtual time pass until `isDone`, at most `ms`; a violation ends everything at once. */
  async #until(isDone: () => boolean, ms: number): Promise<boolean> {
    if (this.#court.violation !== null) return true;
    await this.#scheduler.run(
      () => this.#court.violation !== null || isDone(),
      this.#scheduler.nowMs + ms,
      (process) => {
        this.#lastStep = { name: process.name, atMs: this.#scheduler.nowMs };
        this.#cluster.stepped(process);
        if (this.#scheduler.eventsRun > MAX_EVENTS + 2 * (this.#options.steps ?? 0)) {
          this.#court.violated('liveness', `more than ${MAX_EVENTS} events: something spins`);
        }
      },
    );
    return this.#court.violation !== null || isDone();
  }
}

/** Runs one simulation. It never throws for what a node does wrong: see `violation`. */
export function runSimulation(options: SimulationOptions): Promise<SimulationResult> {
  return new Simulation(options).run();
}

/**
 * A failed run for people: what broke, how to see it again, and what happened before. `flags` are
 * those of the command line that the run had beside its seed.
 */
export function describeFailure(result: SimulationResult, flags = ''): string {
  const { violation, seed, trace } = result;
  if (violation === null) return `seed ${seed}: no violation`;
  return [
    `seed ${seed}: ${violation.invariant}: ${violation.message}`,
    `see it again with: npm run sim -- --seed ${seed}${flags}`,
    ...trace,
  ].join('\n');
}

/** Runs one simulation and throws what {@link describeFailure} says when it breaks a rule. */
export async function runCleanly(options: SimulationOptions): Promise<void> {
  const result = await runSimulation(options);
  if (result.violation !== null) throw new Error(describeFailure(result));
}
