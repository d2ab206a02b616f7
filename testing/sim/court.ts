import type { ServerAddress, ServerID } from '../../raft/configuration.ts';
import type { ApplyOutcome } from '../../raft/future.ts';
import type { Log } from '../../raft/log.ts';
import type { RPCReply, RPCRequest } from '../../raft/messages.ts';
import type { RaftNode } from '../../raft/node.ts';
import { RaftState } from '../../raft/state.ts';
import type { DiskWatcher, SimDisk } from './disk.ts';
import type { DiskWrite } from './disk-image.ts';
import { type EntryFact, Facts } from './facts.ts';
import type { FSMState } from './fsm.ts';
import type { NetworkWatcher } from './network.ts';

/** The getters of a node that an invariant may ask. */
export type RaftView = Pick<
  RaftNode,
  'state' | 'currentTerm' | 'commitIndex' | 'lastIndex' | 'appliedIndex' | 'getConfiguration'
>;

/** What an invariant may look at of a node. */
export interface NodeView {
  /** Its name. */
  readonly id: ServerID;
  /** Where it is reached. */
  readonly address: ServerAddress;
  /** Where log and snapshots are. */
  readonly disk: SimDisk;
  /** Where term and vote are; may be the same disk. */
  readonly stableDisk: SimDisk;
  /** `null` while the process is down or starting. */
  readonly raft: RaftView | null;
  /** When it last heard a leader, in virtual time, as far as it says so; `null` for never. */
  readonly heardAtMs: number | null;
}

/** What a client asked of a node and has not been told yet, or has. */
export interface Question {
  /** Which question of the run it is, from 1. */
  readonly number: number;
  /** What was asked, such as "apply". */
  readonly kind: string;
  /** Who was asked. */
  readonly node: NodeView;
}

/** Everything that can be watched; an invariant takes what it needs. */
export interface Watcher {
  /** A node's process has begun a new life. */
  started?(node: NodeView): void;
  /** A node has run, and nothing of it is half-way. Called after every event of its process. */
  stepped?(node: NodeView, nowMs: number): void;
  /** The first sign that a node leads in `term`. */
  elected?(node: NodeView, term: number): void;
  /** A node leads in a term that has another leader. */
  rivalled?(node: NodeView, term: number, leader: ServerID): void;
  /** It was learnt from `node` that an index is committed; every index comes once, in order. */
  committed?(node: NodeView, index: number, entry: EntryFact): void;
  /** A node sent a request. */
  requestSent?(node: NodeView, request: RPCRequest): void;
  /** A node answered a request. */
  replySent?(node: NodeView, request: RPCRequest, reply: RPCReply): void;
  /** A node gave its disk something to write. */
  writeIssued?(node: NodeView, write: DiskWrite): void;
  /** A write is durable. */
  writeSynced?(node: NodeView, write: DiskWrite): void;
  /** A disk failed a write. */
  writeFailed?(node: NodeView): void;
  /** An FSM applied an entry and is in `state` now. */
  applied?(node: NodeView, log: Log, state: FSMState): void;
  /** An FSM was given a snapshot and is in `state` now. */
  restored?(node: NodeView, state: FSMState): void;
  /** A user gives a cluster a state to restore. */
  offered?(state: FSMState): void;
  /** A client asked something. */
  asked?(question: Question): void;
  /** `answer` describes the result in a way that can be compared. */
  answered?(question: Question, answer: string): void;
  /** A client learnt what became of a command. */
  outcome?(node: NodeView, command: Uint8Array, outcome: ApplyOutcome, index: number): void;
  /** A linear read that began when `floor` was known found the state `state`. */
  read?(node: NodeView, floor: number, state: FSMState): void;
  /** A barrier that began when `floor` was known was passed in the state `state`. */
  passed?(node: NodeView, floor: number, state: FSMState): void;
  /** A node of `term` was confirmed as leader; `rival` is the newest term led when it was asked. */
  verified?(node: NodeView, term: number, rival: number): void;
  /** A node that stopped by itself, for `cause` if any, has had time to answer everybody. */
  retired?(node: NodeView, cause: Error | null): void;
  /** The run is over. */
  ended?(): void;
}

/** A rule that must hold after every event of every run. */
export interface Invariant {
  /** What reports call it. */
  readonly name: string;
  /** Where the rule comes from. */
  readonly source: string;
  /**
   * Begins to watch one run. `violated` may be called any number of times; the first one counts.
   */
  watch(facts: Facts, violated: (message: string) => void): Watcher;
}

/** The first violation of a run. */
export interface Violation {
  /** Which rule was broken. */
  readonly invariant: string;
  /** How. */
  readonly message: string;
}

/**
 * Sees everything, keeps what is known in {@link Facts} and lets every invariant judge it. A
 * violation is remembered, never thrown: it would be thrown into the node under test.
 */
export class Court implements DiskWatcher, NetworkWatcher {
  /** What is known of the run so far. */
  readonly facts = new Facts();
  /** Who watches each kind of event, by its name. */
  readonly #audiences = new Map<string, Watcher[]>();
  readonly #byName = new Map<string, NodeView>();
  #violation: Violation | null = null;
  /** What each node's FSM has last restored. */
  readonly #restored = new Map<NodeView, number>();
  /** What a node's commit index may have from its snapshots, in the life that it has now. */
  readonly #claimed = new Map<NodeView, number>();

  /** @param scribe only watches, and sees everything before it is judged */
  constructor(invariants: readonly Invariant[], scribe: Watcher) {
    const judges = invariants.map(({ name, watch }) =>
      watch(this.facts, (message) => this.violated(name, message)),
    );
    for (const watcher of [scribe, ...judges]) {
      for (const kind of Object.keys(watcher)) {
        this.#audiences.set(kind, [...(this.#audiences.get(kind) ?? []), watcher]);
      }
    }
  }

  /** The first violation, `null` while there is none. */
  get violation(): Violation | null {
    return this.#violation;
  }

  /** Notes a violation; only the first one counts. */
  violated(invariant: string, message: string): void {
    this.#violation ??= { invariant, message };
  }

  /** Makes a node known by its id and by its address. */
  admit(node: NodeView): void {
    this.facts.nodes.push(node);
    this.#byName.set(node.id, node);
    this.#byName.set(node.address, node);
  }

  /** A node runs from now on. */
  started(node: NodeView): void {
    this.#restored.delete(node);
    this.#claimed.delete(node);
    for (const watcher of this.#watching('started')) watcher.started?.(node);
  }

  /** A node took a step: everything that must always hold is looked at. */
  stepped(node: NodeView, nowMs = 0): void {
    const { raft } = node;
    if (raft !== null) {
      if (raft.state() === RaftState.Leader) this.#leads(node, raft.currentTerm());
      const known = raft.commitIndex();
      const upTo = known > this.#claimedBySnapshots(node, known) ? known : 0;
      while (this.facts.committedUpTo < upTo) this.#commit(node, raft.currentTerm());
    }
    for (const watcher of this.#watching('stepped')) watcher.stepped?.(node, nowMs);
  }

  /** A request left a node. */
  requestSent(from: ServerAddress, _to: ServerAddress, request: RPCRequest): void {
    const node = this.#node(from);
    const leads =
      request.kind === 'AppendEntriesRequest' || request.kind === 'InstallSnapshotRequest';
    if (leads) this.#leads(node, request.term);
    for (const watcher of this.#watching('requestSent')) watcher.requestSent?.(node, request);
  }

  /** A reply left a node. */
  replySent(from: ServerAddress, _to: ServerAddress, request: RPCRequest, reply: RPCReply): void {
    const node = this.#node(from);
    for (const watcher of this.#watching('replySent')) watcher.replySent?.(node, request, reply);
  }

  writeIssued(name: string, write: DiskWrite): void {
    const node = this.#node(name);
    if (write.kind === 'store' || write.kind === 'replace') {
      this.facts.recordEntries(node, write.logs);
    }
    for (const watcher of this.#watching('writeIssued')) watcher.writeIssued?.(node, write);
  }

  writeSynced(name: string, write: DiskWrite): void {
    const node = this.#node(name);
    for (const watcher of this.#watching('writeSynced')) watcher.writeSynced?.(node, write);
  }

  writeFailed(name: string): void {
    const node = this.#node(name);
    for (const watcher of this.#watching('writeFailed')) watcher.writeFailed?.(node);
  }

  /** An FSM applied an entry. */
  applied(node: NodeView, log: Log, state: FSMState): void {
    for (const watcher of this.#watching('applied')) watcher.applied?.(node, log, state);
  }

  /** An FSM was given a snapshot. */
  restored(node: NodeView, state: FSMState): void {
    this.#restored.set(node, state.index);
    for (const watcher of this.#watching('restored')) watcher.restored?.(node, state);
  }

  /** A user wants a state to be restored. */
  offered(state: FSMState): void {
    for (const watcher of this.#watching('offered')) watcher.offered?.(state);
  }

  /** A client asked something. */
  asked(question: Question): void {
    for (const watcher of this.#watching('asked')) watcher.asked?.(question);
  }

  /** A client got its answer. */
  answered(question: Question, answer: string): void {
    for (const watcher of this.#watching('answered')) watcher.answered?.(question, answer);
  }

  /** A client was told what became of its command. */
  outcome(node: NodeView, command: Uint8Array, outcome: ApplyOutcome, index: number): void {
    if (outcome === 'applied') this.facts.acknowledge(index);
    for (const watcher of this.#watching('outcome'))
      watcher.outcome?.(node, command, outcome, index);
  }

  /** A client read a state that must not be older than index `floor`. */
  read(node: NodeView, floor: number, state: FSMState): void {
    for (const watcher of this.#watching('read')) watcher.read?.(node, floor, state);
    this.facts.acknowledge(state.index);
  }

  /** A barrier was passed by a node whose state must not be older than index `floor`. */
  passed(node: NodeView, floor: number, state: FSMState): void {
    for (const watcher of this.#watching('passed')) watcher.passed?.(node, floor, state);
  }

  /** A leader was told that it still led in `term`, when `rival` was the newest term. */
  verified(node: NodeView, term: number, rival: number): void {
    for (const watcher of this.#watching('verified')) watcher.verified?.(node, term, rival);
  }

  /** A node ended, for a cause of its own or because it was told to. */
  retired(node: NodeView, cause: Error | null): void {
    for (const watcher of this.#watching('retired')) watcher.retired?.(node, cause);
  }

  /** The run is over: what must hold in the end is looked at. */
  ended(): void {
    for (const watcher of this.#watching('ended')) watcher.ended?.();
  }

  #leads(node: NodeView, term: number): void {
    const leader = this.facts.leaderOf(term);
    if (leader === node.id) return;
    if (leader !== undefined) {
      for (const watcher of this.#watching('rivalled')) watcher.rivalled?.(node, term, leader);
      return;
    }
    this.facts.recordLeader(node, term);
    for (const watcher of this.#watching('elected')) watcher.elected?.(node, term);
  }

  /**
   * The index up to which a node's commit index may stem from snapshots alone. These prove nothing:
   * a user restore is applied before a quorum has it. The leader's own snapshot takes its place on
   * the disk and in the state machine a moment before the node forgets the index it had.
   */
  #claimedBySnapshots(node: NodeView, known: number): number {
    const newest = Math.max(node.disk.issued.snapshotIndex, this.#restored.get(node) ?? 0);
    const before = this.#claimed.get(node) ?? 0;
    const claimed = known < before ? newest : Math.max(before, newest);
    this.#claimed.set(node, claimed);
    return claimed;
  }

  #commit(node: NodeView, term: number): void {
    const index = this.facts.committedUpTo + 1;
    const entry = this.facts.recordCommit(node, index, term);
    for (const watcher of this.#watching('committed')) watcher.committed?.(node, index, entry);
  }

  #watching(kind: keyof Watcher): readonly Watcher[] {
    return this.#audiences.get(kind) ?? [];
  }

  #node(name: string): NodeView {
    const node = this.#byName.get(name);
    if (node === undefined) throw new Error(`no node is called ${name}`);
    return node;
  }
}
