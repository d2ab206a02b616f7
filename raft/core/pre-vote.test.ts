import { describe, expect, it } from 'vitest';
import {
  candidacyOf,
  elect,
  headerOf,
  kindsOf,
  newNode,
  only,
  preVoteFrom,
  recordingLogger,
  server,
  stand,
  step,
  theOnly,
  timersOf,
  voteFor,
  voters,
} from '../../testing/core-fixture.ts';
import { Configuration, ServerSuffrage } from '../configuration.ts';
import { RequestPreVoteRequest, RequestPreVoteResponse, TimeoutNowRequest } from '../messages.ts';
import { RaftState } from '../state.ts';
import type { Effects } from './effect.ts';
import type { NodeState } from './node.ts';

function ask(node: NodeState, from: string, fields: object): Effects {
  const request = new RequestPreVoteRequest({ rpcHeader: headerOf(from), ...fields });
  return step(node, { kind: 'requestPreVote', request, ticket: 7 }, 40);
}

describe('a candidate that asks for pre-votes', () => {
  it('asks every voter but itself, in the next term, and writes nothing (S33)', () => {
    const servers = new Configuration([
      server('b'),
      server('n', ServerSuffrage.Nonvoter),
      server('a'),
      server('s', ServerSuffrage.Staging),
      server('c'),
    ]);
    const node = newNode({ servers, log: [1, 3], currentTerm: 4 });
    const out = stand(node);
    const candidacy = candidacyOf(node);
    const request = { term: 5, lastLogIndex: 2, lastLogTerm: 3, rpcHeader: headerOf('a') };
    expect(only(out, 'sendPreVote')).toMatchObject([
      { candidacy, to: { id: 'b', address: 'b:1' }, request },
      { candidacy, to: { id: 'c', address: 'c:1' }, request },
    ]);
    expect(only(out, 'persistHardState')).toEqual([]);
    expect(node).toMatchObject({ currentTerm: 4, role: RaftState.Candidate, vote: null });
    expect(candidacy.preVotes).toMatchObject({ needed: 2, granted: 1, refused: 0 });
  });

  it('does not count itself when it is no voter', () => {
    const node = newNode({
      servers: new Configuration([server('b'), server('c'), server('a', 1)]),
    });
    step(node, { kind: 'timeoutNow', request: new TimeoutNowRequest(), ticket: 1 });
    step(node, { kind: 'timer', timer: 'election' });
    expect(candidacyOf(node).preVotes).toMatchObject({ needed: 2, granted: 0 });
  });

  it('stands once a majority would vote for it, with a fresh time limit (S35)', () => {
    const node = newNode({ servers: voters('a', 'b', 'c', 'd', 'e') });
    stand(node);
    expect(preVoteFrom(node, 'b', true).list).toEqual([]);
    const out = preVoteFrom(node, 'c', true);
    expect(kindsOf(out)).toEqual(['persistHardState', ...new Array(4).fill('sendVote')]);
    expect(out.list[0]).toMatchObject({ term: 2, vote: voteFor('a', 2) });
    expect(timersOf(out)).toEqual(['election=2000']);
    expect(candidacyOf(node).phase).toBe('asking-votes');
  });

  it('counts each voter once', () => {
    const node = newNode({ servers: voters('a', 'b', 'c', 'd', 'e') });
    stand(node);
    preVoteFrom(node, 'b', true);
    preVoteFrom(node, 'b', true);
    expect(candidacyOf(node).preVotes.granted).toBe(2);
    expect(node.currentTerm).toBe(1);
  });

  it('that loses waits for its timer (S35)', () => {
    const { log, lines } = recordingLogger();
    const node = newNode({ logger: log });
    stand(node);
    preVoteFrom(node, 'b', false);
    const out = preVoteFrom(node, 'c', false);
    expect([out.list, out.timers]).toEqual([[], []]);
    expect(node.role).toBe(RaftState.Candidate);
    expect(lines.at(-1)).toBe('info: pre-vote campaign failed, waiting for election timeout');
  });

  it('follows a term above the one it asks for, and not that one itself (S34)', () => {
    const node = newNode();
    stand(node);
    preVoteFrom(node, 'b', false, 2);
    expect(node).toMatchObject({ role: RaftState.Candidate, currentTerm: 1 });
    const out = preVoteFrom(node, 'c', false, 3);
    expect(theOnly(out, 'persistHardState')).toMatchObject({ term: 3, vote: null });
    expect(node).toMatchObject({ role: RaftState.Follower, currentTerm: 3 });
  });

  it('takes an error for a refusal, but not of a server that knows no pre-vote (S36)', () => {
    const { log, lines } = recordingLogger();
    const node = newNode({ servers: voters('a', 'b', 'c', 'd', 'e'), logger: log });
    stand(node);
    const candidacy = candidacyOf(node);
    const fail = (from: string, text: string) => {
      const outcome = { error: new Error(text) };
      step(node, { kind: 'preVoteReply', candidacy, from, outcome });
    };
    fail('b', 'connection refused');
    expect(candidacy.preVotes).toMatchObject({ granted: 1, refused: 1 });
    fail('c', 'rpc error: unexpected command');
    expect(candidacy.preVotes).toMatchObject({ granted: 2, refused: 1 });
    expect(lines.filter((line) => line.startsWith('error'))).toEqual([
      'error: failed to make requestVote RPC',
      'error: target does not support pre-vote RPC, treating as granted',
    ]);
  });

  it('drops answers to an earlier attempt, and answers that come too late', () => {
    const node = newNode();
    stand(node);
    const old = candidacyOf(node);
    step(node, { kind: 'timer', timer: 'election' });
    const outcome = { reply: new RequestPreVoteResponse({ term: 2, granted: true }) };
    expect(step(node, { kind: 'preVoteReply', candidacy: old, from: 'b', outcome }).list).toEqual(
      [],
    );
    expect(node.currentTerm).toBe(1);
    preVoteFrom(node, 'b', true);
    expect(preVoteFrom(node, 'c', true, 99).list).toEqual([]);
    expect(node.currentTerm).toBe(2);
  });
});

describe('a server that is asked for a pre-vote', () => {
  const upToDate = { term: 4, lastLogIndex: 2, lastLogTerm: 2 };

  it('grants it, and nothing about it changes (S27, S118, #609)', () => {
    const node = newNode({ log: [1, 2] });
    const before = { ...node, configurations: { ...node.configurations } };
    const out = ask(node, 'b', upToDate);
    expect(out.list).toMatchObject([
      { kind: 'observe', data: { kind: 'RequestPreVoteRequest' } },
      { kind: 'reply', ticket: 7, reply: { granted: true, term: 4 } },
    ]);
    expect(out.timers).toEqual([]);
    expect(node).toEqual(before);
  });

  it('grants one in its own term, and whatever it voted', () => {
    const node = newNode({ log: [1, 2], vote: voteFor('c', 2) });
    const out = ask(node, 'b', { ...upToDate, term: 2 });
    expect(theOnly(out, 'reply').reply).toMatchObject({ granted: true, term: 2 });
  });

  it('grants its leader’s and no other’s (S118, test 26, test 27, #606, #605)', () => {
    const node = newNode({ log: [1, 2] });
    node.leaderAddress = 'b:1';
    expect(theOnly(ask(node, 'b', upToDate), 'reply').reply).toMatchObject({ granted: true });
    expect(theOnly(ask(node, 'c', upToDate), 'reply').reply).toMatchObject({
      granted: false,
      term: 2,
    });
  });

  it('that leads refuses', () => {
    const node = newNode();
    elect(node);
    const out = ask(node, 'b', { term: 3, lastLogIndex: 9, lastLogTerm: 2 });
    expect(theOnly(out, 'reply').reply).toMatchObject({ granted: false, term: 2 });
    expect(node.role).toBe(RaftState.Leader);
  });

  it.each([
    ['a stranger', 'z', {}, 'node is not in configuration'],
    ['a request of an older term', 'b', { term: 1 }, 'our term is greater'],
    ['a nonvoter', 'n', {}, 'node is not a voter'],
    [
      'a log whose last term is older',
      'b',
      { lastLogTerm: 1, lastLogIndex: 9 },
      'our last term is greater',
    ],
    ['a log that is shorter', 'b', { lastLogIndex: 1 }, 'our last index is greater'],
  ])('refuses %s (S118)', (_what, from, fields, reason) => {
    const { log, lines } = recordingLogger();
    const servers = new Configuration([
      server('a'),
      server('b'),
      server('n', ServerSuffrage.Nonvoter),
    ]);
    const node = newNode({ servers, log: [1, 2], logger: log });
    const out = ask(node, from, { ...upToDate, ...fields });
    expect(theOnly(out, 'reply').reply).toMatchObject({ granted: false, term: 2 });
    expect(lines).toEqual([`warn: rejecting pre-vote request since ${reason}`]);
    expect(node.currentTerm).toBe(2);
  });

  it('grants a stranger’s whose log is ahead: its own configuration may be outdated', () => {
    const node = newNode({ log: [1, 2] });
    const out = ask(node, 'z', { ...upToDate, lastLogIndex: 3 });
    expect(theOnly(out, 'reply').reply).toMatchObject({ granted: true, term: 4 });
  });

  it('grants anybody’s while it has no configuration', () => {
    const node = newNode({ servers: new Configuration(), log: [] });
    const request = new RequestPreVoteRequest({ term: 1 });
    const out = step(node, { kind: 'requestPreVote', request, ticket: 7 });
    expect(theOnly(out, 'reply').reply).toMatchObject({ granted: true, term: 1 });
  });
});
