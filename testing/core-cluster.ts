import { encodeConfiguration } from '../raft/configuration-codec.ts';
import type { Effect, Effects } from '../raft/core/effect.ts';
import type { MainInput, Outcome, PeerInput } from '../raft/core/input.ts';
import type { NodeState } from '../raft/core/node.ts';
import type { Log } from '../raft/log.ts';
import {
  AppendEntriesRequest,
  AppendEntriesResponse,
  InstallSnapshotRequest,
  InstallSnapshotResponse,
  RequestPreVoteResponse,
  RequestVoteResponse,
  type RPCReply,
  type RPCRequest,
  TimeoutNowRequest,
} from '../raft/messages.ts';
import {
  configurationEntry,
  type EffectOf,
  headerOf,
  type NodeOptions,
  newNode,
  step,
  stepOfPeer,
  voters,
} from './core-fixture.ts';

/** One server of a {@link CoreCluster}: its rules, its disk and its state machine. */
export interface Member {
  readonly node: NodeState;
  /** The log on its disk, by index. */
  readonly disk: Map<number, Log>;
  /** The entries its state machine was given, in order. */
  readonly applied: Log[];
  /** What its tickets came to. */
  readonly settled: Map<number, unknown>;
}

/**
 * A few servers that consist of their rules only, joined by hand: a message is delivered at once or
 * never, a disk never fails, and time passes when a test says so. Slow is what it may be; obvious
 * is what it must be.
 */
export class CoreCluster {
  readonly members = new Map<string, Member>();
  /** Servers that reach nobody and are reached by nobody. */
  readonly cut = new Set<string>();
  /** Everything that was sent, delivered or not. */
  readonly sent: { readonly from: string; readonly to: string; readonly request: RPCRequest }[] =
    [];
  readonly #queue: (() => void)[] = [];
  readonly #replies = new Map<number, (outcome: Outcome<RPCReply>) => void>();
  #tickets = 1000;
  #ms = 0;

  constructor(ids: readonly string[], options: NodeOptions = {}) {
    const servers = voters(...ids);
    for (const id of ids) {
      const disk = new Map([[1, configurationEntry(1, 1, servers)]]);
      const node = newNode({ servers, ...options, id });
      this.members.set(id, { node, disk, applied: [], settled: new Map() });
    }
  }

  member(id: string): Member {
    const member = this.members.get(id);
    if (member === undefined) throw new Error(`expected a member ${id}`);
    return member;
  }

  node(id: string): NodeState {
    return this.member(id).node;
  }

  /** The terms on the disk of a server, from its first entry on. */
  termsOf(id: string): number[] {
    const { disk } = this.member(id);
    return [...disk.keys()].sort((a, b) => a - b).map((index) => disk.get(index)?.term ?? 0);
  }

  /** Something happens to a server, and everything that follows from it. */
  happen(id: string, input: MainInput): void {
    this.#main(id, input);
    this.#settle();
  }

  /** Lets the timers of a leader's peers ring, all of them, and what follows. */
  ring(id: string): void {
    const { leadership } = this.node(id);
    if (leadership === null) throw new Error(`expected ${id} to lead`);
    for (const peer of leadership.peers.values()) {
      for (const timer of ['retry', 'commit', 'beat'] as const) {
        this.#peer(id, { kind: 'peerTimer', leadership, peer, timer });
      }
    }
    this.#settle();
  }

  /** A server hears nothing until it stands for election, and everything that follows. */
  silence(id: string): void {
    this.#ms += 100_000;
    this.happen(id, { kind: 'timer', timer: 'heartbeat' });
  }

  /** A server stands for election at once, whoever leads, and everything that follows. */
  tellToStand(id: string): void {
    const request = new TimeoutNowRequest({ rpcHeader: headerOf(id) });
    this.happen(id, { kind: 'timeoutNow', request, ticket: 0 });
  }

  #main(id: string, input: MainInput): void {
    this.#perform(id, step(this.node(id), input, this.#ms));
  }

  #peer(id: string, input: PeerInput): void {
    this.#perform(id, stepOfPeer(this.node(id), input));
  }

  #settle(): void {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) next();
  }

  #perform(id: string, out: Effects): void {
    for (const effect of out.list) {
      this.#write(this.member(id), effect);
      this.#send(id, effect);
      if (effect.kind === 'post') this.#main(id, effect.input);
      if (effect.kind === 'startAppend') {
        const { leadership, entries } = effect;
        const index = entries.at(-1)?.index ?? 0;
        this.#queue.push(() => this.#peer(id, { kind: 'appended', leadership, index }));
      }
      if (effect.kind === 'receiveSnapshot') {
        const outcome = { reply: { id: String(effect.index) } };
        this.#queue.unshift(() => this.#main(id, { kind: 'snapshotReceived', outcome }));
      }
      if (effect.kind === 'restoreSnapshot') {
        this.#queue.unshift(() => this.#main(id, { kind: 'snapshotRestored' }));
      }
    }
  }

  /** What an effect does to the disk and the state machine. */
  #write({ disk, applied, settled }: Member, effect: Effect): void {
    const drop = (which: (index: number) => boolean) => {
      for (const index of [...disk.keys()]) if (which(index)) disk.delete(index);
    };
    if (effect.kind === 'replaceTail') drop((index) => index >= effect.from);
    if (effect.kind === 'dropLog') disk.clear();
    if (effect.kind === 'compactLog') drop((index) => index <= effect.upTo);
    if ('entries' in effect) for (const entry of effect.entries) disk.set(entry.index, entry);
    if (effect.kind === 'apply') {
      for (let index = (applied.at(-1)?.index ?? 0) + 1; index <= effect.upTo; index += 1) {
        const entry = disk.get(index);
        if (entry !== undefined) applied.push(entry);
      }
    }
    if (effect.kind === 'settle') settled.set(effect.ticket, effect.value);
    if (effect.kind === 'settleError') settled.set(effect.ticket, effect.error);
    if (effect.kind === 'reply') this.#replies.get(effect.ticket)?.({ reply: effect.reply });
    if (effect.kind === 'replyError') this.#replies.get(effect.ticket)?.({ error: effect.error });
  }

  /** What an effect sends, and the way back of its answer. */
  #send(from: string, effect: Effect): void {
    if (effect.kind === 'sendVote' || effect.kind === 'sendPreVote') {
      this.#sendBallot(from, effect);
    } else if (effect.kind === 'sendHeartbeat') {
      const { leadership, peer, round } = effect;
      const known = {
        kind: 'heartbeatReply',
        leadership,
        peer,
        round,
        sentAtMs: this.#ms,
      } as const;
      this.#call(from, peer.server.id, effect.request, (outcome) =>
        this.#peer(from, { ...known, outcome: expecting(outcome, AppendEntriesResponse) }),
      );
    } else if (effect.kind === 'sendAppend') this.#sendAppend(from, effect);
    else if (effect.kind === 'sendSnapshot') this.#sendSnapshot(from, effect);
    else if (effect.kind === 'sendTimeoutNow') {
      const { transfer, id } = effect;
      const request = new TimeoutNowRequest({ rpcHeader: headerOf(from) });
      this.#call(from, id, request, ({ error = null }) =>
        this.#main(from, { kind: 'timeoutNowReply', transfer, error }),
      );
    }
  }

  #sendBallot(from: string, effect: EffectOf<'sendVote'> | EffectOf<'sendPreVote'>): void {
    const { candidacy, to, request } = effect;
    this.#call(from, to.id, request, (outcome) => {
      const known = { candidacy, from: to.id };
      if (effect.kind === 'sendVote') {
        const vote = expecting(outcome, RequestVoteResponse);
        this.#main(from, { kind: 'voteReply', ...known, outcome: vote });
      } else {
        const vote = expecting(outcome, RequestPreVoteResponse);
        this.#main(from, { kind: 'preVoteReply', ...known, outcome: vote });
      }
    });
  }

  #sendAppend(from: string, effect: EffectOf<'sendAppend'>): void {
    const { leadership, peer, epoch, round, prevIndex, prevTerm, first, last, commitIndex } =
      effect;
    const { disk } = this.member(from);
    const entries: Log[] = [];
    for (let index = first; index <= last; index += 1) {
      const entry = disk.get(index);
      if (entry !== undefined) entries.push(entry);
    }
    const count = entries.length;
    const known = { leadership, peer, epoch };
    const request = new AppendEntriesRequest({
      rpcHeader: headerOf(from),
      term: leadership.term,
      prevLogEntry: prevIndex,
      prevLogTerm: prevTerm,
      entries,
      leaderCommitIndex: commitIndex,
    });
    const sent = { ...known, prevIndex, count, commitIndex, round, sentAtMs: this.#ms };
    this.#queue.push(() => {
      if (peer.epoch !== epoch) return;
      this.#peer(from, { kind: 'appendSent', ...known, count });
      this.#call(from, peer.server.id, request, (outcome) => {
        const answer = expecting(outcome, AppendEntriesResponse);
        this.#peer(from, { kind: 'appendReply', ...sent, outcome: answer });
      });
      this.#peer(from, { kind: 'senderReady', ...known });
    });
  }

  #sendSnapshot(from: string, effect: EffectOf<'sendSnapshot'>): void {
    const { leadership, peer, epoch, round } = effect;
    const { snapshotIndex: index, snapshotTerm, configurations } = this.node(from);
    const request = new InstallSnapshotRequest({
      rpcHeader: headerOf(from),
      snapshotVersion: 1,
      term: leadership.term,
      lastLogIndex: index,
      lastLogTerm: snapshotTerm,
      configuration: encodeConfiguration(configurations.committed),
      configurationIndex: configurations.committedIndex,
      size: 1,
    });
    const known = { leadership, peer, epoch, index, round, sentAtMs: this.#ms };
    this.#call(from, peer.server.id, request, (outcome) => {
      const answer = expecting(outcome, InstallSnapshotResponse);
      this.#peer(from, { kind: 'snapshotReply', ...known, outcome: answer });
    });
  }

  #call(
    from: string,
    to: string,
    request: RPCRequest,
    answered: (outcome: Outcome<RPCReply>) => void,
  ): void {
    this.sent.push({ from, to, request });
    this.#queue.push(() => {
      if (this.cut.has(from) || this.cut.has(to) || !this.members.has(to)) {
        return answered({ error: new Error('unreachable') });
      }
      this.#tickets += 1;
      const ticket = this.#tickets;
      this.#replies.set(ticket, (outcome) => this.#queue.push(() => answered(outcome)));
      this.#main(to, asInput(request, ticket));
    });
  }
}

/** The answer, if it is of the kind that was asked for. */
function expecting<T extends RPCReply>(
  { reply, error }: Outcome<RPCReply>,
  kind: new (fields: object) => T,
): Outcome<T> {
  if (error !== undefined) return { error };
  if (reply instanceof kind) return { reply };
  throw new Error(`expected a ${kind.name}, got ${reply.kind}`);
}

/** A request as it comes to the rules. */
function asInput(request: RPCRequest, ticket: number): MainInput {
  switch (request.kind) {
    case 'AppendEntriesRequest':
      return { kind: 'appendEntries', request, ticket };
    case 'RequestVoteRequest':
      return { kind: 'requestVote', request, ticket };
    case 'RequestPreVoteRequest':
      return { kind: 'requestPreVote', request, ticket };
    case 'InstallSnapshotRequest':
      return { kind: 'installSnapshot', request, ticket };
    case 'TimeoutNowRequest':
      return { kind: 'timeoutNow', request, ticket };
  }
}
