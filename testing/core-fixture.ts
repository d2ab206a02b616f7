import { utf8, utf8ToString } from '../internal/bytes.ts';
import { ZERO_TIME } from '../internal/timestamp.ts';
import { Configuration, type Server, ServerSuffrage } from '../raft/configuration.ts';
import { encodeConfiguration } from '../raft/configuration-codec.ts';
import { stepMain, stepPeer } from '../raft/core/core.ts';
import { type Effect, Effects, type TimerRequest, type Vote } from '../raft/core/effect.ts';
import type { MainInput, Now, PeerInput, Proposal } from '../raft/core/input.ts';
import type { Leadership } from '../raft/core/leader.ts';
import { type CoreConfig, type NodeState, newNodeState, type Self } from '../raft/core/node.ts';
import type { Progress } from '../raft/core/progress.ts';
import { TermIndex, type TermRun } from '../raft/core/term-index.ts';
import { type Log, LogType } from '../raft/log.ts';
import type { Logger } from '../raft/logger.ts';
import {
  AppendEntriesRequest,
  AppendEntriesResponse,
  RequestPreVoteResponse,
  RequestVoteRequest,
  RequestVoteResponse,
  type RPCHeader,
} from '../raft/messages.ts';

/** The effect of one kind, with the fields of that kind. */
export type EffectOf<K extends Effect['kind']> = Extract<Effect, { readonly kind: K }>;

/** Where the server called `id` is reached. */
export function addressOf(id: string): string {
  return `${id}:1`;
}

/** The header of everything the server called `id` sends. */
export function headerOf(id: string): RPCHeader {
  return { protocolVersion: 3, id: utf8(id), addr: utf8(addressOf(id)) };
}

/** One server of a configuration. */
export function server(id: string, suffrage: ServerSuffrage = ServerSuffrage.Voter): Server {
  return { suffrage, id, address: addressOf(id) };
}

/** A configuration of these voters. */
export function voters(...ids: string[]): Configuration {
  return new Configuration(ids.map((id) => server(id)));
}

/** What a server called `id` says of itself. */
export function selfOf(id: string): Self {
  return {
    id,
    address: addressOf(id),
    header: headerOf(id),
    encodePeer: (_id, address) => utf8(address),
    decodePeer: utf8ToString,
  };
}

/** A vote as it is kept. */
export function voteFor(id: string, term: number): Vote {
  return { term, candidate: utf8(addressOf(id)) };
}

/** The moment `ms`. */
export function at(ms: number): Now {
  return { ms, wall: ZERO_TIME };
}

/** A command in the log. */
export function entry(index: number, term: number): Log {
  return {
    index,
    term,
    type: LogType.LogCommand,
    data: utf8(`${index}@${term}`),
    extensions: null,
    appendedAt: ZERO_TIME,
  };
}

/** Commands in the log, one for each term, from `first` on. */
export function entries(first: number, ...terms: number[]): Log[] {
  return terms.map((term, i) => entry(first + i, term));
}

/** A configuration in the log. */
export function configurationEntry(index: number, term: number, value: Configuration): Log {
  return {
    ...entry(index, term),
    type: LogType.LogConfiguration,
    data: encodeConfiguration(value),
  };
}

/** A command that somebody wants to have in the log. */
export const command: Proposal = {
  type: LogType.LogCommand,
  data: utf8('command'),
  extensions: null,
};

/** The runs of a log whose entries have these terms, from `first` on. */
export function runsOf(terms: readonly number[], first = 1): TermRun[] {
  return terms.map((term, i) => ({ first: first + i, last: first + i, term }));
}

/** A logger that remembers the message of every line, with its level. */
export function recordingLogger(): { readonly log: Logger; readonly lines: string[] } {
  const lines: string[] = [];
  const write = (level: string) => (_fields: unknown, message: string) => {
    lines.push(`${level}: ${message}`);
  };
  const log = {
    trace: write('trace'),
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
  };
  return { log, lines };
}

/** How a node for tests begins; what is left out is a fresh voter of three with one entry. */
export interface NodeOptions {
  readonly id?: string;
  readonly servers?: Configuration;
  readonly currentTerm?: number;
  readonly vote?: Vote;
  /** The terms of its entries. */
  readonly log?: readonly number[];
  /** Index of its first entry. */
  readonly first?: number;
  readonly snapshot?: { readonly index: number; readonly term: number };
  /** Everything up to here is committed and was handed to the FSM. */
  readonly commitIndex?: number;
  readonly config?: Partial<CoreConfig>;
  readonly logger?: Logger;
}

/** Durations in round numbers, so that a test can name them. */
export const coreConfig: CoreConfig = Object.freeze({
  protocolVersion: 3,
  heartbeatTimeoutMs: 1000,
  electionTimeoutMs: 2000,
  commitTimeoutMs: 50,
  leaderLeaseTimeoutMs: 500,
  maxAppendEntries: 4,
  trailingLogs: 2,
  shutdownOnRemove: true,
  preVote: true,
});

/** A node for tests: dice always show 0, so every random wait is the shortest. */
export function newNode(options: NodeOptions = {}): NodeState {
  const { log = [1], first = 1, snapshot = { index: 0, term: 0 } } = options;
  const latest = options.servers ?? voters('a', 'b', 'c');
  const index = latest.servers.length === 0 ? 0 : 1;
  const node = newNodeState(
    selfOf(options.id ?? 'a'),
    { ...coreConfig, ...options.config },
    { next: () => 0 },
    options.logger ?? recordingLogger().log,
    {
      currentTerm: options.currentTerm ?? Math.max(log.at(-1) ?? 0, snapshot.term),
      vote: options.vote ?? null,
      terms: new TermIndex(runsOf(log, first)),
      snapshotIndex: snapshot.index,
      snapshotTerm: snapshot.term,
      configurations: { committed: latest, committedIndex: index, latest, latestIndex: index },
    },
  );
  node.commitIndex = Math.max(options.commitIndex ?? 0, snapshot.index);
  node.lastApplied = node.commitIndex;
  return node;
}

/** One step of the main lane. */
export function step(node: NodeState, input: MainInput, ms = 0): Effects {
  const out = new Effects();
  stepMain(node, input, at(ms), out);
  return out;
}

/** One step of a peer's lane. */
export function stepOfPeer(node: NodeState, input: PeerInput): Effects {
  const out = new Effects();
  stepPeer(node, input, out);
  return out;
}

/** The kinds of the effects, in order. */
export function kindsOf(out: Effects): string[] {
  return out.list.map((effect) => effect.kind);
}

/** The effects of one kind. */
export function only<K extends Effect['kind']>(out: Effects, kind: K): EffectOf<K>[] {
  return out.list.filter((effect): effect is EffectOf<K> => effect.kind === kind);
}

/** The only effect of one kind; throws when there is none, or more than one. */
export function theOnly<K extends Effect['kind']>(out: Effects, kind: K): EffectOf<K> {
  const [found, more] = only(out, kind);
  if (found === undefined || more !== undefined) {
    throw new Error(`expected one effect '${kind}', got ${kindsOf(out).join(', ')}`);
  }
  return found;
}

/** The node's own timers that were touched: `election=2000`, `heartbeat=off`. */
export function timersOf(out: Effects): string[] {
  const own = out.timers.filter((timer: TimerRequest) => !('peer' in timer));
  return own.map(({ timer, delayMs }) => `${timer}=${delayMs ?? 'off'}`);
}

/** The timers of one peer that were touched. */
export function peerTimersOf(out: Effects, peer: Progress): string[] {
  const own = out.timers.filter((timer) => 'peer' in timer && timer.peer === peer);
  return own.map(({ timer, delayMs }) => `${timer}=${delayMs ?? 'off'}`);
}

/** An AppendEntries by the server called `from`. */
export function appendBy(
  from: string,
  fields: Partial<Omit<AppendEntriesRequest, 'kind' | 'rpcHeader' | 'getRPCHeader'>>,
): AppendEntriesRequest {
  return new AppendEntriesRequest({ rpcHeader: headerOf(from), ...fields });
}

/** A RequestVote by the server called `from`. */
export function voteBy(
  from: string,
  fields: Partial<Omit<RequestVoteRequest, 'kind' | 'rpcHeader' | 'getRPCHeader'>>,
): RequestVoteRequest {
  return new RequestVoteRequest({ rpcHeader: headerOf(from), ...fields });
}

/** Lets the heartbeat timer ring at `ms`; the candidate's object is in `node.candidacy`. */
export function stand(node: NodeState, ms = 0): Effects {
  return step(node, { kind: 'timer', timer: 'heartbeat' }, ms);
}

/** The candidacy of a candidate; throws when it is none. */
export function candidacyOf(node: NodeState): NonNullable<NodeState['candidacy']> {
  if (node.candidacy === null) throw new Error('expected a candidate');
  return node.candidacy;
}

/** The leadership of a leader; throws when it is none. */
export function leadershipOf(node: NodeState): Leadership {
  if (node.leadership === null) throw new Error('expected a leader');
  return node.leadership;
}

/** How a leader sees the server called `id`; throws when it does not replicate to it. */
export function peerOf(node: NodeState, id: string): Progress {
  const peer = leadershipOf(node).peers.get(id);
  if (peer === undefined) throw new Error(`expected a peer ${id}`);
  return peer;
}

/** Answers the pre-vote of a candidate. */
export function preVoteFrom(node: NodeState, from: string, granted: boolean, term?: number) {
  const reply = new RequestPreVoteResponse({ term: term ?? node.currentTerm + 1, granted });
  const candidacy = candidacyOf(node);
  return step(node, { kind: 'preVoteReply', candidacy, from, outcome: { reply } });
}

/** Answers the vote request of a candidate. */
export function voteFrom(node: NodeState, from: string, granted: boolean, term?: number) {
  const reply = new RequestVoteResponse({ term: term ?? node.currentTerm, granted });
  const candidacy = candidacyOf(node);
  return step(node, { kind: 'voteReply', candidacy, from, outcome: { reply } });
}

/**
 * Makes a node the leader, by every step that leads there, at moment `ms`. All voters but itself
 * grant. What it sent then is not answered yet.
 */
export function elect(
  node: NodeState,
  ms = 0,
): { readonly leadership: Leadership; readonly out: Effects } {
  let out = stand(node, ms);
  for (const { id } of node.configurations.latest.servers) {
    if (id === node.self.id || node.leadership !== null) continue;
    if (candidacyOf(node).phase === 'asking-pre-votes') out = preVoteFrom(node, id, true);
    if (node.leadership === null) out = voteFrom(node, id, true);
  }
  return { leadership: leadershipOf(node), out };
}

/** A leader of term 2 whose log is [1, 2]: a configuration and its own first entry, unanswered. */
export function newLeader(options: NodeOptions = {}): {
  readonly node: NodeState;
  readonly leadership: Leadership;
} {
  const node = newNode(options);
  const { leadership } = elect(node);
  return { node, leadership };
}

/** The transport has taken what was asked to be sent, and could take more. */
export function sent(node: NodeState, effect: EffectOf<'sendAppend'>): Effects {
  const { leadership, peer, epoch, first, last } = effect;
  const count = Math.max(0, last - first + 1);
  stepOfPeer(node, { kind: 'appendSent', leadership, peer, epoch, count });
  return stepOfPeer(node, { kind: 'senderReady', leadership, peer, epoch });
}

/** Answers an AppendEntries that was sent. */
export function appendReplied(
  node: NodeState,
  effect: EffectOf<'sendAppend'>,
  fields: Partial<Pick<AppendEntriesResponse, 'term' | 'success' | 'lastLog' | 'noRetryBackoff'>>,
  sentAtMs = 0,
): Effects {
  const { leadership, peer, epoch, round, prevIndex, commitIndex, first, last } = effect;
  const count = Math.max(0, last - first + 1);
  const reply = new AppendEntriesResponse({ term: leadership.term, success: true, ...fields });
  const sent = { leadership, peer, epoch, round, prevIndex, commitIndex, count, sentAtMs };
  return stepOfPeer(node, { kind: 'appendReply', ...sent, outcome: { reply } });
}

/** Answers a heartbeat that was sent. */
export function beatReplied(
  node: NodeState,
  effect: EffectOf<'sendHeartbeat'>,
  fields: Partial<Pick<AppendEntriesResponse, 'term' | 'success'>> = {},
  sentAtMs = 0,
): Effects {
  const { leadership, peer, round } = effect;
  const reply = new AppendEntriesResponse({ term: leadership.term, success: true, ...fields });
  const input = { kind: 'heartbeatReply', leadership, peer, round, sentAtMs } as const;
  return stepOfPeer(node, { ...input, outcome: { reply } });
}

/** The leader's own disk has everything up to `index`. */
export function appended(node: NodeState, index: number): Effects {
  return stepOfPeer(node, { kind: 'appended', leadership: leadershipOf(node), index });
}

/** Performs what a peer's step posted to the main lane. */
export function posted(node: NodeState, out: Effects, ms = 0): Effects {
  return step(node, theOnly(out, 'post').input, ms);
}

/** The server called `id` holds everything up to `index`; what that posts is performed. */
export function heldBy(node: NodeState, id: string, index: number, ms = 0): Effects {
  const leadership = leadershipOf(node);
  const peer = peerOf(node, id);
  const known = { leadership, peer, epoch: peer.epoch };
  const reply = new AppendEntriesResponse({ term: leadership.term, success: true });
  stepOfPeer(node, { kind: 'appendSent', ...known, count: 1 });
  stepOfPeer(node, { kind: 'senderReady', ...known });
  const sent = { ...known, prevIndex: index - 1, count: 1, commitIndex: 0, round: 0, sentAtMs: ms };
  const out = stepOfPeer(node, { kind: 'appendReply', ...sent, outcome: { reply } });
  for (const { input } of only(out, 'post')) {
    const { list, timers } = step(node, input, ms);
    out.list.push(...list);
    out.timers.push(...timers);
  }
  return out;
}

/** The leader's own disk and the server called `id` hold everything up to `index`. */
export function commitWith(node: NodeState, id: string, index: number, ms = 0): Effects {
  appended(node, index);
  return heldBy(node, id, index, ms);
}
