import { utf8, utf8ToString } from '../../internal/bytes.ts';
import { ZERO_TIME } from '../../internal/timestamp.ts';
import { Configuration, ServerSuffrage } from '../../raft/configuration.ts';
import { stepMain, stepPeer } from '../../raft/core/core.ts';
import { Effects } from '../../raft/core/effect.ts';
import type { MainInput, PeerInput, Proposal } from '../../raft/core/input.ts';
import { type NodeState, newNodeState } from '../../raft/core/node.ts';
import { TermIndex } from '../../raft/core/term-index.ts';
import { silentLogger } from '../../raft/logger.ts';
import { AppendEntriesResponse, RequestVoteResponse } from '../../raft/messages.ts';

const NOW = { ms: 0, wall: ZERO_TIME };
const TIMEOUT_MS = 1000;

function newNode(): NodeState {
  const { Voter: suffrage } = ServerSuffrage;
  const servers = ['a', 'b', 'c'].map((id) => ({ suffrage, id, address: id }));
  const committed = new Configuration(servers);
  const self = {
    id: 'a',
    address: 'a',
    header: { protocolVersion: 3, id: utf8('a'), addr: utf8('a') },
    encodePeer: (_id: string, address: string) => utf8(address),
    decodePeer: utf8ToString,
  };
  const config = {
    protocolVersion: 3,
    heartbeatTimeoutMs: TIMEOUT_MS,
    electionTimeoutMs: TIMEOUT_MS,
    commitTimeoutMs: TIMEOUT_MS,
    leaderLeaseTimeoutMs: TIMEOUT_MS,
    maxAppendEntries: 1024,
    trailingLogs: 0,
    shutdownOnRemove: false,
    preVote: false,
  };
  return newNodeState(self, config, { next: () => 0.5 }, silentLogger, {
    currentTerm: 1,
    vote: null,
    terms: new TermIndex([{ first: 1, last: 1, term: 1 }]),
    snapshotIndex: 0,
    snapshotTerm: 0,
    configurations: { committed, committedIndex: 1, latest: committed, latestIndex: 1 },
  });
}

/** A leader of three whose disk and followers answer everything at once, and well. */
export class InstantLeader {
  readonly #node = newNode();

  constructor() {
    this.#main({ kind: 'start' });
    this.#main({ kind: 'timer', timer: 'heartbeat' });
    const { candidacy, currentTerm: term } = this.#node;
    if (candidacy === null) throw new Error('expected a candidate');
    const reply = new RequestVoteResponse({ term, granted: true });
    this.#main({ kind: 'voteReply', candidacy, from: 'b', outcome: { reply } });
    if (this.#node.leadership === null) throw new Error('expected a leader');
  }

  get commitIndex(): number {
    return this.#node.commitIndex;
  }

  propose(proposals: readonly Proposal[]): void {
    this.#main({ kind: 'propose', proposals });
  }

  #main(input: MainInput): void {
    const out = new Effects();
    stepMain(this.#node, input, NOW, out);
    this.#answer(out);
  }

  #peer(input: PeerInput): void {
    const out = new Effects();
    stepPeer(this.#node, input, out);
    this.#answer(out);
  }

  #answer({ list }: Effects): void {
    for (const effect of list) {
      if (effect.kind === 'post') this.#main(effect.input);
      if (effect.kind === 'startAppend') {
        const { leadership, entries } = effect;
        this.#peer({ kind: 'appended', leadership, index: entries.at(-1)?.index ?? 0 });
      }
      if (effect.kind === 'sendAppend') {
        const { leadership, peer, epoch, first, last } = effect;
        const count = Math.max(last - first + 1, 0);
        const reply = new AppendEntriesResponse({ term: leadership.term, success: true });
        this.#peer({ kind: 'appendSent', leadership, peer, epoch, count });
        this.#peer({ kind: 'senderReady', leadership, peer, epoch });
        const sent = { ...effect, count, sentAtMs: NOW.ms, outcome: { reply } };
        this.#peer({ ...sent, kind: 'appendReply' });
      }
    }
  }
}
