import { utf8 } from '../../internal/bytes.ts';
import { type Random, randomInteger } from '../../internal/random.ts';
import { RaftError } from '../../raft/errors.ts';
import type { ApplyFuture, Future } from '../../raft/future.ts';
import type { RaftNode } from '../../raft/node.ts';
import type { SnapshotMeta } from '../../raft/snapshot.ts';
import { RaftState } from '../../raft/state.ts';
import type { KeyValueInput } from '../check/index.ts';
import type { SimCluster } from './cluster.ts';
import type { Question } from './court.ts';
import { SimFSM, type SimResponse } from './fsm.ts';
import { ClientHistory } from './history.ts';
import type { SimNode } from './sim-node.ts';
import type { SimProcess } from './virtual-clock.ts';

/** What clients may wish for. */
type Wish =
  | 'apply'
  | 'barrier'
  | 'read'
  | 'verify'
  | 'snapshot'
  | 'restore'
  | 'reload'
  | 'transfer'
  | 'transfer-to'
  | 'add-voter'
  | 'add-nonvoter'
  | 'demote'
  | 'remove';

const weights: readonly (readonly [Wish, number])[] = [
  ['apply', 60],
  ['read', 14],
  ['verify', 5],
  ['barrier', 4],
  ['snapshot', 4],
  ['transfer', 2],
  ['transfer-to', 1],
  ['restore', 2],
  ['reload', 1],
  ['add-voter', 4],
  ['add-nonvoter', 2],
  ['demote', 1],
  ['remove', 2],
];
const totalWeight = weights.reduce((sum, [, weight]) => sum + weight, 0);
const memberChanges: ReadonlySet<Wish> = new Set(['add-voter', 'add-nonvoter', 'demote', 'remove']);

/** A restore is given an index so far ahead that the log does not get there while it is copied. */
const RESTORE_AHEAD = 200;
const KEYS = 12;
/**
 * After so many questions the clients go on with keys that nobody used yet: what one key may be
 * grows with every operation of unknown outcome, and the checker has to follow all of it.
 */
const QUESTIONS_A_GENERATION = 200;
const MAX_BURST = 12;
const PROPOSE_EVERY_MS = 50;
const MAX_PROPOSALS = 64;
/** With so many questions open the clients that follow the leader wait for answers. */
const MAX_OPEN = 256;

function commandOf(input: KeyValueInput): string {
  switch (input.op) {
    case 'cas':
      return `cas ${input.key} ${input.from ?? ''} ${input.to}`;
    case 'set':
    case 'append':
      return `${input.op} ${input.key} ${input.value}`;
    default:
      return `${input.op} ${input.key}`;
  }
}

function isResponse(value: unknown): value is SimResponse {
  return typeof value === 'object' && value !== null && 'index' in value && 'output' in value;
}

async function* asStream(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield bytes;
}

function describeError(error: Error | null): string {
  if (error === null) return 'ok';
  return error instanceof RaftError ? error.code : error.message;
}

/** Clients: they ask nodes for things at random moments and report every answer to the court. */
export class Workload {
  readonly #cluster: SimCluster;
  readonly #random: Random;
  readonly #asked: { readonly question: Question; readonly describe: () => string }[] = [];
  #questions = 0;
  readonly #open = new Map<Question, SimProcess | null>();
  #proposed = 0;
  #applied = 0;
  #stopped = false;
  readonly #history = new ClientHistory();

  constructor(cluster: SimCluster, random: Random) {
    this.#cluster = cluster;
    this.#random = random;
  }

  /** How many commands were asked for. */
  get proposed(): number {
    return this.#proposed;
  }

  /** How many commands were acknowledged. */
  get applied(): number {
    return this.#applied;
  }

  /** Lets the clients begin. */
  start(): void {
    this.#wishAgain();
    if (this.#cluster.world.profile.proposalsPerSecond > 0) this.#propose(0);
  }

  /** Lets the clients ask nothing more. */
  stop(): void {
    this.#stopped = true;
  }

  /** True when nothing is open that was asked of a process that still lives. */
  get isAnswered(): boolean {
    return ![...this.#open.values()].some((process) => process?.isAlive);
  }

  /** What the clients saw can have come from one store that ran alone. False when undecided. */
  judgeHistory(): boolean {
    const { court, profile } = this.#cluster.world;
    // A user restore replaces what clients wrote: no history of writes alone explains it.
    if (profile.userRestores) return true;
    const { complaint, isDecided } = this.#history.judge();
    if (complaint !== null) court.violated('linearizable-history', complaint);
    return isDecided;
  }

  /** Asks every future once more how it ended: it must not have changed its mind. */
  askAgain(): void {
    const { court } = this.#cluster.world;
    for (const { question, describe } of this.#asked) court.answered(question, describe());
  }

  /** Applies one command through `node`; `done` is told when it was acknowledged. */
  applyThrough(node: SimNode, done: (index: number) => void): void {
    this.#inside(node, (raft) => this.#apply(node, raft, done));
  }

  #wishAgain(): void {
    const { scheduler, profile } = this.#cluster.world;
    scheduler.schedule(randomInteger(this.#random, 1, profile.workEveryMs), () => {
      if (this.#stopped) return;
      this.#wish();
      this.#wishAgain();
    });
  }

  /**
   * Clients that follow the leader: while nobody leads, what is due waits, and `due` proposals come
   * on top of the rest of their time when somebody does.
   */
  #propose(due: number): void {
    const { scheduler, profile } = this.#cluster.world;
    scheduler.schedule(PROPOSE_EVERY_MS, () => {
      if (this.#stopped) return;
      let left = due + (profile.proposalsPerSecond * PROPOSE_EVERY_MS) / 1000;
      const leader = this.#cluster.newestLeader();
      const room = Math.min(MAX_PROPOSALS, MAX_OPEN - this.#open.size);
      for (let i = 0; leader !== undefined && left >= 1 && i < room; i += 1, left -= 1) {
        this.applyThrough(leader, () => {});
      }
      this.#propose(left);
    });
  }

  #wish(): void {
    const { nodes } = this.#cluster;
    const anyone = nodes[randomInteger(this.#random, 0, nodes.length - 1)];
    const leader = this.#cluster.someLeader(this.#random);
    const node = this.#random.next() < 0.9 ? (leader ?? anyone) : anyone;
    if (node === undefined) return;
    const wish = this.#drawWish();
    this.#inside(node, (raft) => this.#ask(node, raft, wish));
  }

  #drawWish(): Wish {
    let at = this.#random.next() * totalWeight;
    const [wish] = weights.find(([, weight]) => {
      at -= weight;
      return at < 0;
    }) ?? ['apply'];
    const { profile } = this.#cluster.world;
    if (wish === 'restore' && !profile.userRestores) return 'apply';
    return memberChanges.has(wish) && !profile.memberChanges ? 'apply' : wish;
  }

  /** Runs `act` within the node's process, if it can be asked by then. */
  #inside(node: SimNode, act: (raft: RaftNode) => void): void {
    node.process?.deliver(0, () => {
      if (node.raft !== null && node.raft.state() !== RaftState.Shutdown) act(node.raft);
    });
  }

  #ask(node: SimNode, raft: RaftNode, wish: Wish): void {
    const { nodes } = this.#cluster;
    const target = nodes[randomInteger(this.#random, 0, nodes.length - 1)] ?? node;
    switch (wish) {
      case 'apply': {
        const burst = this.#random.next() < 0.7 ? 1 : randomInteger(this.#random, 2, MAX_BURST);
        for (let i = 0; i < burst; i += 1) this.#apply(node, raft, () => {});
        break;
      }
      case 'read':
        this.#read(node, raft);
        break;
      case 'verify':
        this.#verify(node, raft);
        break;
      case 'barrier':
        this.#barrier(node, raft);
        break;
      case 'snapshot':
        this.#follow(node, wish, raft.snapshot());
        break;
      case 'restore':
        this.#restore(node, raft);
        break;
      case 'reload':
        this.#reload(raft);
        break;
      case 'transfer':
        this.#follow(node, wish, raft.leadershipTransfer());
        break;
      case 'transfer-to':
        this.#follow(node, wish, raft.leadershipTransferToServer(target.id, target.address));
        break;
      case 'add-voter':
        this.#follow(node, wish, raft.addVoter(target.id, target.address, 0, this.#timeoutMs()));
        break;
      case 'add-nonvoter':
        this.#follow(node, wish, raft.addNonvoter(target.id, target.address, 0, this.#timeoutMs()));
        break;
      case 'demote':
        this.#follow(node, wish, raft.demoteVoter(target.id, 0, this.#timeoutMs()));
        break;
      case 'remove':
        this.#follow(node, wish, raft.removeServer(target.id, 0, this.#timeoutMs()));
        break;
    }
  }

  /** Sometimes for ever, else a short while. */
  #timeoutMs(): number {
    return this.#random.next() < 0.3 ? 0 : randomInteger(this.#random, 20, 400);
  }

  /** Something to do to a key; most often a plain write. */
  #drawInput(): KeyValueInput {
    const key = this.#drawKey();
    const value = `v${this.#questions}`;
    const at = this.#random.next();
    if (at < 0.6) return { op: 'set', key, value };
    if (at < 0.75) return { op: 'append', key, value };
    if (at < 0.9) {
      const someone = this.#cluster.nodes.find(({ fsm }) => fsm !== null);
      return { op: 'cas', key, from: someone?.fsm?.get(key) ?? null, to: value };
    }
    return { op: 'delete', key };
  }

  #drawKey(): string {
    const generation = Math.floor(this.#questions / QUESTIONS_A_GENERATION);
    const key = `k${randomInteger(this.#random, 1, KEYS)}`;
    return generation === 0 ? key : `${key}.${generation}`;
  }

  #apply(node: SimNode, raft: RaftNode, done: (index: number) => void): void {
    const { court } = this.#cluster.world;
    const input = this.#drawInput();
    const command = utf8(`${commandOf(input)} #${this.#questions}`);
    const given = command.slice();
    const operation = this.#history.begin(input);
    this.#proposed += 1;
    const future: ApplyFuture = raft.apply(given, this.#timeoutMs());
    given.fill(0x23);
    const describe = (): string => `${future.outcome()} at ${future.index()}`;
    this.#follow(node, 'apply', future, describe, () => {
      const index = future.index();
      court.outcome(node, command, future.outcome(), index);
      if (future.outcome() === 'not-applied') operation.denied();
      if (future.outcome() !== 'applied') return;
      this.#applied += 1;
      const response = future.response();
      if (!isResponse(response) || response.index !== index) {
        court.violated('truthful-outcomes', `the response of ${index} is ${response}`);
        return;
      }
      operation.answered(response.output);
      done(index);
    });
  }

  #read(node: SimNode, raft: RaftNode): void {
    const { court } = this.#cluster.world;
    const floor = court.facts.acknowledgedUpTo;
    const key = this.#drawKey();
    const operation = this.#history.begin({ op: 'get', key });
    const future = raft.readIndex(this.#timeoutMs());
    this.#follow(node, 'read', future, undefined, (error) => {
      const { fsm } = node;
      if (error !== null || fsm === null) return;
      court.read(node, floor, fsm.state);
      operation.answered(fsm.get(key));
    });
  }

  /** Replaces the state of the cluster by another one, which says at which index it will stand. */
  #restore(node: SimNode, raft: RaftNode): void {
    const { court } = this.#cluster.world;
    const index = raft.lastIndex() + RESTORE_AHEAD;
    const burned = index + 1;
    const bytes = utf8(`${burned} 0 ${this.#questions}\nk1 restored${this.#questions} ${burned}\n`);
    const meta: SnapshotMeta = {
      version: 1,
      id: 'from a user',
      index,
      term: raft.currentTerm(),
      peers: null,
      configuration: raft.getConfiguration().configuration(),
      configurationIndex: 1,
      size: bytes.length,
    };
    const told = { applied() {}, restored: court.offered.bind(court) };
    void new SimFSM(told, null).restore(asStream(bytes)).then(() => {
      const future = raft.restore(meta, asStream(bytes), this.#timeoutMs());
      this.#follow(node, 'restore', future, undefined, (error) => {
        if (error === null) court.facts.acknowledge(burned);
      });
    });
  }

  #reload(raft: RaftNode): void {
    raft.reloadConfig({
      ...raft.reloadableConfig(),
      trailingLogs: randomInteger(this.#random, 0, 60),
      snapshotThreshold: randomInteger(this.#random, 1, 40),
      snapshotInterval: randomInteger(this.#random, 50, 1000),
    });
  }

  #barrier(node: SimNode, raft: RaftNode): void {
    const { court } = this.#cluster.world;
    const floor = court.facts.acknowledgedUpTo;
    this.#follow(node, 'barrier', raft.barrier(this.#timeoutMs()), undefined, (error) => {
      const state = node.fsm?.state;
      if (error === null && state !== undefined) court.passed(node, floor, state);
    });
  }

  #verify(node: SimNode, raft: RaftNode): void {
    const { court } = this.#cluster.world;
    const rival = court.facts.newestTermLed;
    this.#follow(node, 'verify', raft.verifyLeader(), undefined, (error) => {
      if (error === null) court.verified(node, raft.currentTerm(), rival);
    });
  }

  /** Watches a future to its end. */
  #follow<T>(
    node: SimNode,
    kind: string,
    future: Future<T>,
    describe?: () => string,
    then?: (error: Error | null) => void,
  ): void {
    const { court } = this.#cluster.world;
    this.#questions += 1;
    const question: Question = { number: this.#questions, kind, node };
    this.#open.set(question, node.process);
    court.asked(question);
    future.error().then((error) => {
      const answer = (): string => `${describeError(error)} ${describe?.() ?? ''}`;
      this.#open.delete(question);
      this.#asked.push({ question, describe: answer });
      court.answered(question, answer());
      then?.(error);
    });
  }
}
