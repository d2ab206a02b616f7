import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import {
  elect,
  headerOf,
  kindsOf,
  newNode,
  only,
  recordingLogger,
  server,
  stand,
  step,
  theOnly,
  voteBy,
  voteFor,
  voters,
} from '../../testing/core-fixture.ts';
import { Configuration, ServerSuffrage } from '../configuration.ts';
import { RequestVoteRequest, RequestVoteResponse } from '../messages.ts';
import { RaftState } from '../state.ts';
import type { Effects } from './effect.ts';
import type { NodeState } from './node.ts';

const TICKET = 7;

function ask(node: NodeState, request: RequestVoteRequest, ms = 0): Effects {
  return step(node, { kind: 'requestVote', request, ticket: TICKET }, ms);
}

/** A follower in term 2 that knows no leader; its last entry is 3 of term 2. */
function voter(options: Parameters<typeof newNode>[0] = {}): NodeState {
  return newNode({ log: [1, 1, 2], ...options });
}

const upToDate = { lastLogIndex: 3, lastLogTerm: 2 };
const granted = { granted: true, peers: null };
const refused = { granted: false, peers: null };

/** The vote that the step gave or refused. */
function answerOf(out: Effects): boolean {
  const { reply } = theOnly(out, 'reply');
  if (!(reply instanceof RequestVoteResponse)) throw new Error('expected a vote');
  return reply.granted;
}

describe('a vote', () => {
  it('is persisted together with the term, before the reply (S27, S111, S115)', () => {
    const node = voter();
    const request = voteBy('b', { term: 5, ...upToDate });
    const out = ask(node, request, 40);
    expect(out.list).toMatchObject([
      { kind: 'observe', data: { kind: 'RequestVoteRequest', request } },
      { kind: 'persistHardState', term: 5, vote: voteFor('b', 5) },
      { kind: 'reply', ticket: TICKET, reply: { ...granted, term: 5 } },
    ]);
    expect(node).toMatchObject({ currentTerm: 5, vote: voteFor('b', 5), lastContactMs: 40 });
  });

  it('in the current term is persisted alone', () => {
    const out = ask(voter(), voteBy('b', { term: 2, ...upToDate }));
    expect(theOnly(out, 'persistHardState')).toMatchObject({ term: 2, vote: voteFor('b', 2) });
    expect(kindsOf(out)).toEqual(['observe', 'persistHardState', 'reply']);
  });

  it('is given by the old field of the request when the header names nobody (S112)', () => {
    const node = voter();
    ask(node, new RequestVoteRequest({ term: 5, candidate: utf8('old:1'), ...upToDate }));
    expect(node.vote).toEqual({ term: 5, candidate: utf8('old:1') });
    const nameless = voter();
    ask(nameless, new RequestVoteRequest({ term: 5, ...upToDate }));
    expect(nameless.vote).toEqual({ term: 5, candidate: new Uint8Array() });
  });

  it('of a leader ends its office, and all of that stands before the term', () => {
    const node = newNode();
    elect(node);
    const request = { term: 9, lastLogIndex: 9, lastLogTerm: 9, leadershipTransfer: true };
    const kinds = kindsOf(ask(node, voteBy('b', request)));
    expect(kinds.indexOf('failInFlight')).toBeLessThan(kinds.indexOf('persistHardState'));
    expect(kinds.at(-1)).toBe('reply');
    expect(node).toMatchObject({ role: RaftState.Follower, vote: voteFor('b', 9) });
  });

  it('carries the legacy peers at protocol 1 (S117)', () => {
    const out = ask(voter({ config: { protocolVersion: 1 } }), voteBy('b', { term: 5 }));
    const { reply } = theOnly(out, 'reply');
    expect(reply).toMatchObject({
      peers: new Uint8Array([
        0x93,
        0xa3,
        ...utf8('a:1'),
        0xa3,
        ...utf8('b:1'),
        0xa3,
        ...utf8('c:1'),
      ]),
    });
  });
});

describe('a vote is refused', () => {
  const servers = new Configuration([
    server('a'),
    server('b'),
    server('n', ServerSuffrage.Nonvoter),
  ]);

  it.each([
    [
      'to a stranger, whose term is taken nevertheless',
      'z',
      { term: 9, ...upToDate },
      'node is not in configuration',
      9,
    ],
    ['to somebody of an older term', 'b', { term: 1, ...upToDate }, null, 2],
    [
      'to a nonvoter, whose term is taken nevertheless',
      'n',
      { term: 9, ...upToDate },
      'node is not a voter',
      9,
    ],
    [
      'to a candidate whose last term is older',
      'b',
      { term: 9, lastLogIndex: 9, lastLogTerm: 1 },
      'our last term is greater',
      9,
    ],
    [
      'to a candidate whose log is shorter',
      'b',
      { term: 9, lastLogIndex: 2, lastLogTerm: 2 },
      'our last index is greater',
      9,
    ],
  ])('%s (S111, #524)', (_what, from, fields, reason, term) => {
    const { log, lines } = recordingLogger();
    const node = voter({ servers, logger: log });
    const out = ask(node, voteBy(from, fields), 40);
    expect(theOnly(out, 'reply').reply).toMatchObject({ ...refused, term });
    expect(only(out, 'persistHardState')).toEqual(
      term === 2 ? [] : [{ kind: 'persistHardState', term, vote: null }],
    );
    expect(node).toMatchObject({ vote: null, currentTerm: term });
    expect(node.lastContactMs).toBeUndefined();
    const warnings = lines.filter((line) => line.startsWith('warn'));
    expect(warnings).toEqual(
      reason === null ? [] : [`warn: rejecting vote request since ${reason}`],
    );
  });

  it('while another leads (S111, S112, test 21)', () => {
    const { log, lines } = recordingLogger();
    const node = voter({ logger: log });
    node.leaderAddress = 'b:1';
    const request = { term: 12, ...upToDate };
    expect(answerOf(ask(node, voteBy('c', request)))).toBe(false);
    expect(lines).toEqual(['warn: rejecting vote request since we have a leader']);
    expect(node.currentTerm).toBe(2);
    expect(answerOf(ask(node, voteBy('b', request)))).toBe(true);
  });

  it('to whoever has the name of the leader, but not its address (S112)', () => {
    const by = (id: string, addr: string) => {
      const rpcHeader = { protocolVersion: 3, id: utf8(id), addr: utf8(addr) };
      return new RequestVoteRequest({ rpcHeader, term: 12, ...upToDate });
    };
    const node = voter();
    node.leaderAddress = 'b:1';
    node.leaderID = 'b';
    expect(answerOf(ask(node, by('b', 'b:2')))).toBe(false);
    expect(answerOf(ask(node, by('z', 'b:1')))).toBe(false); // a stranger by its ID
    expect(answerOf(ask(node, by('c', 'b:1')))).toBe(true);
  });

  it('not because another leads, when that one asked for the election (S111, test 21)', () => {
    const node = voter();
    node.leaderAddress = 'b:1';
    const request = { term: 12, ...upToDate, leadershipTransfer: true };
    expect(answerOf(ask(node, voteBy('c', request)))).toBe(true);
  });

  it('by a leader, which knows who leads', () => {
    const node = newNode();
    elect(node);
    expect(answerOf(ask(node, voteBy('b', { term: 9, lastLogIndex: 9, lastLogTerm: 9 })))).toBe(
      false,
    );
    expect(node.role).toBe(RaftState.Leader);
  });
});

describe('a second request in one term', () => {
  it('by the same candidate is granted, without a look at its log or a write (S27, S114)', () => {
    const { log, lines } = recordingLogger();
    const node = voter({ vote: voteFor('b', 2), logger: log });
    const out = ask(node, voteBy('b', { term: 2 }), 40);
    expect(out.list).toMatchObject([{ kind: 'observe' }, { kind: 'reply', reply: granted }]);
    expect(node.lastContactMs).toBeUndefined();
    expect(lines).toEqual([
      'info: duplicate requestVote for same term',
      'warn: duplicate requestVote from',
    ]);
  });

  it('by another candidate is refused (S114)', () => {
    const node = voter({ vote: voteFor('b', 2) });
    const out = ask(node, voteBy('c', { term: 2, ...upToDate }));
    expect(out.list).toMatchObject([{ kind: 'observe' }, { kind: 'reply', reply: refused }]);
    expect(node.vote).toEqual(voteFor('b', 2));
  });

  it('finds a candidate true to itself', () => {
    const node = newNode({ config: { preVote: false } });
    stand(node);
    expect(answerOf(ask(node, voteBy('b', { term: 2, lastLogIndex: 9, lastLogTerm: 9 })))).toBe(
      false,
    );
  });
});

describe('a node without a configuration', () => {
  it('votes for anybody: it is joining (S113)', () => {
    const node = newNode({ servers: new Configuration(), log: [] });
    expect(answerOf(ask(node, voteBy('z', { term: 1 })))).toBe(true);
  });
});

describe('a candidate that our configuration does not know (thesis §4.1)', () => {
  it.each([
    ['whose log is longer gets the vote: our configuration may be outdated', 4, 2, true],
    ['whose last term is newer gets the vote', 1, 3, true],
    ['whose log is as long as ours gets none', 3, 2, false],
    ['whose last term is older gets none', 9, 1, false],
  ])('%s', (_what, lastLogIndex, lastLogTerm, granted) => {
    const node = voter();
    const out = ask(node, voteBy('z', { term: 9, lastLogIndex, lastLogTerm }));
    expect(answerOf(out)).toBe(granted);
    expect(node.currentTerm).toBe(9);
  });

  it('raises no term while we hear a leader, or lead', () => {
    const asking = { term: 9, lastLogIndex: 1, lastLogTerm: 1, leadershipTransfer: true };
    const follower = voter();
    follower.leaderAddress = 'b:1';
    const leader = newNode();
    elect(leader);
    const { currentTerm } = leader;
    for (const node of [follower, leader]) {
      const term = node.currentTerm;
      const out = ask(node, voteBy('z', asking));
      expect(theOnly(out, 'reply').reply).toMatchObject({ ...refused, term });
      expect(only(out, 'persistHardState')).toEqual([]);
    }
    expect(leader).toMatchObject({ role: RaftState.Leader, currentTerm });
  });

  it('cannot keep a member behind it for ever: who stands next stands above its term', () => {
    const node = voter({ config: { preVote: false } });
    ask(node, voteBy('z', { term: 9, ...upToDate }));
    stand(node);
    expect(node.currentTerm).toBe(10);
  });
});

describe('a log', () => {
  it.each([
    [3, 2, true],
    [4, 2, true],
    [1, 3, true],
    [2, 2, false],
    [9, 1, false],
  ])('that ends at %i of term %i against 3 of term 2: %s', (lastLogIndex, lastLogTerm, wins) => {
    const request = voteBy('b', { term: 3, lastLogIndex, lastLogTerm });
    expect(answerOf(ask(voter(), request))).toBe(wins);
    const behindSnapshot = newNode({ log: [], snapshot: { index: 3, term: 2 } });
    expect(answerOf(ask(behindSnapshot, request))).toBe(wins);
  });
});

describe('whatever is asked', () => {
  it('one term has one winner of this vote, which is on the disk before it is told', () => {
    const request = fc.record({
      from: fc.constantFrom('a', 'b', 'c', 'd', 'z'),
      term: fc.nat({ max: 6 }),
      lastLogIndex: fc.nat({ max: 4 }),
      lastLogTerm: fc.nat({ max: 3 }),
      leadershipTransfer: fc.boolean(),
      nameless: fc.boolean(),
    });
    type Request = typeof request extends fc.Arbitrary<infer T> ? T : never;
    const vote = (requests: readonly Request[]) => {
      const node = voter({ servers: voters('a', 'b', 'c', 'd') });
      const winners = new Map<number, string>();
      let lastTerm = node.currentTerm;
      for (const { from, nameless, ...fields } of requests) {
        const header = headerOf(from);
        const rpcHeader = nameless ? { ...header, id: null } : header;
        const out = ask(node, new RequestVoteRequest({ rpcHeader, ...fields }));
        expect(node.currentTerm).toBeGreaterThanOrEqual(lastTerm);
        lastTerm = node.currentTerm;
        if (!answerOf(out)) continue;
        expect(fields.term).toBe(node.currentTerm);
        expect(winners.get(fields.term) ?? from).toBe(from);
        if (!winners.has(fields.term)) {
          const saved = out.list.findIndex(({ kind }) => kind === 'persistHardState');
          expect(out.list[saved]).toMatchObject({
            term: fields.term,
            vote: voteFor(from, fields.term),
          });
          expect(saved).toBeLessThan(out.list.findIndex(({ kind }) => kind === 'reply'));
        }
        winners.set(fields.term, from);
      }
    };
    fc.assert(fc.property(fc.array(request, { maxLength: 12 }), vote), { numRuns: 300 });
  });
});
