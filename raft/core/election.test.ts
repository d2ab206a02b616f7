import { describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import {
  candidacyOf,
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
  voteFrom,
  voters,
} from '../../testing/core-fixture.ts';
import { Configuration, ServerSuffrage } from '../configuration.ts';
import { RequestVoteResponse, TimeoutNowRequest } from '../messages.ts';
import { RaftState } from '../state.ts';
import { Tally } from './election.ts';
import type { NodeState } from './node.ts';

const noPreVote = { config: { preVote: false } };

function timeoutNow(node: NodeState) {
  return step(node, { kind: 'timeoutNow', request: new TimeoutNowRequest(), ticket: 1 });
}

describe('Tally', () => {
  it('counts each server once, for or against', () => {
    const tally = new Tally(2);
    expect(tally.count('a', true)).toBe(true);
    expect(tally.count('a', true)).toBe(false);
    expect(tally.count('a', false)).toBe(false);
    expect([tally.granted, tally.refused, tally.won, tally.lost]).toEqual([1, 0, false, false]);
    tally.count('b', true);
    tally.count('c', false);
    tally.count('d', false);
    expect([tally.granted, tally.refused, tally.won, tally.lost]).toEqual([2, 2, true, true]);
  });
});

describe('a candidate', () => {
  it('saves its term and its own vote before it asks anybody (S37)', () => {
    const node = newNode({ ...noPreVote, log: [1, 3], currentTerm: 4 });
    const out = stand(node);
    const candidacy = candidacyOf(node);
    const request = {
      rpcHeader: headerOf('a'),
      term: 5,
      candidate: utf8('a:1'),
      lastLogIndex: 2,
      lastLogTerm: 3,
      leadershipTransfer: false,
    };
    expect(out.list).toMatchObject([
      { kind: 'observe', data: { kind: 'RaftState', state: RaftState.Candidate } },
      { kind: 'persistHardState', term: 5, vote: voteFor('a', 5) },
      { kind: 'sendVote', candidacy, to: { id: 'b', address: 'b:1' }, request },
      { kind: 'sendVote', candidacy, to: { id: 'c', address: 'c:1' }, request },
    ]);
    expect(node.vote).toEqual(voteFor('a', 5));
    expect(timersOf(out)).toEqual(['heartbeat=1000', 'heartbeat=off', 'election=2000']);
  });

  it('asks voters only', () => {
    const others = [server('n', ServerSuffrage.Nonvoter), server('s', ServerSuffrage.Staging)];
    const servers = new Configuration([server('a'), server('b'), server('c'), ...others]);
    const out = stand(newNode({ ...noPreVote, servers }));
    expect(only(out, 'sendVote').map(({ to }) => to.id)).toEqual(['b', 'c']);
  });

  it('names the snapshot’s last entry when its log is empty (S37, S121)', () => {
    const out = stand(newNode({ ...noPreVote, log: [], snapshot: { index: 8, term: 3 } }));
    expect(only(out, 'sendVote')[0]?.request).toMatchObject({ lastLogIndex: 8, lastLogTerm: 3 });
  });

  it('that is the only voter leads in the same step (S42)', () => {
    const node = newNode({ servers: voters('a') });
    const out = stand(node);
    expect(kindsOf(out)).toEqual([
      'observe',
      'persistHardState',
      'observe',
      'observe',
      'leadership',
      'startAppend',
    ]);
    expect(node.role).toBe(RaftState.Leader);
  });

  it('says what it does (S32)', () => {
    const { log, lines } = recordingLogger();
    const node = newNode({ logger: log });
    stand(node);
    preVoteFrom(node, 'b', true);
    voteFrom(node, 'b', true);
    expect(lines).toContain('debug: calculated votes needed');
    expect(lines.filter((line) => line.startsWith('info'))).toEqual([
      'info: entering candidate state',
      'info: pre-vote successful, starting election',
      'info: election won',
      'info: entering leader state',
      'info: added peer, starting replication',
      'info: added peer, starting replication',
    ]);
  });
});

describe('the answer to a request for a vote', () => {
  it('that makes a majority wins: first the state changes, then the leader (S40)', () => {
    const node = newNode(noPreVote);
    stand(node);
    const out = voteFrom(node, 'b', true);
    expect(out.list.slice(0, 3)).toMatchObject([
      { kind: 'observe', data: { kind: 'RaftState', state: RaftState.Leader } },
      { kind: 'observe', data: { kind: 'LeaderObservation', leaderID: 'a', leaderAddr: 'a:1' } },
      { kind: 'leadership', isLeader: true },
    ]);
    expect(timersOf(out)).toEqual(['election=off', 'lease=500']);
    expect(node.candidacy).toBeNull();
  });

  it('counts once for each voter (S38)', () => {
    const node = newNode({ ...noPreVote, servers: voters('a', 'b', 'c', 'd', 'e') });
    stand(node);
    voteFrom(node, 'b', true);
    voteFrom(node, 'b', true);
    expect(node.role).toBe(RaftState.Candidate);
    voteFrom(node, 'c', true);
    expect(node.role).toBe(RaftState.Leader);
  });

  it('counts for the term it was given in and no other', () => {
    const node = newNode({ ...noPreVote, currentTerm: 4 });
    stand(node);
    voteFrom(node, 'b', true, 4);
    expect(node.role).toBe(RaftState.Candidate);
    expect(candidacyOf(node).votes).toMatchObject({ granted: 1, refused: 1 });
  });

  it('of a newer term makes a follower, and the term is saved (S38)', () => {
    const node = newNode(noPreVote);
    stand(node);
    const out = voteFrom(node, 'b', false, 7);
    expect(out.list).toMatchObject([
      { kind: 'observe', data: { kind: 'RaftState', state: RaftState.Follower } },
      { kind: 'persistHardState', term: 7, vote: null },
    ]);
    expect(timersOf(out)).toEqual(['election=off', 'heartbeat=1000']);
    expect(node).toMatchObject({ role: RaftState.Follower, currentTerm: 7, candidacy: null });
  });

  it('that is an error is a refusal (S38)', () => {
    const { log, lines } = recordingLogger();
    const node = newNode({ ...noPreVote, logger: log });
    stand(node);
    const candidacy = candidacyOf(node);
    const outcome = { error: new Error('connection refused') };
    step(node, { kind: 'voteReply', candidacy, from: 'b', outcome });
    expect(candidacy.votes).toMatchObject({ granted: 1, refused: 1 });
    expect(lines.at(-1)).toBe('error: failed to make requestVote RPC');
  });

  it('to an earlier attempt counts for nothing, newer terms included (S39)', () => {
    const node = newNode({ ...noPreVote, servers: voters('a', 'b', 'c', 'd', 'e') });
    stand(node);
    const old = candidacyOf(node);
    step(node, { kind: 'timer', timer: 'election' });
    for (const [from, term] of [
      ['b', 2],
      ['c', 2],
      ['d', 3],
      ['e', 9],
    ] as const) {
      const outcome = { reply: new RequestVoteResponse({ term, granted: true }) };
      const out = step(node, { kind: 'voteReply', candidacy: old, from, outcome });
      expect(out.list).toEqual([]);
    }
    expect(node).toMatchObject({ role: RaftState.Candidate, currentTerm: 3 });
  });

  it('means nothing while only pre-votes were asked for', () => {
    const node = newNode();
    stand(node);
    expect(voteFrom(node, 'b', true, 1).list).toEqual([]);
    expect(node.role).toBe(RaftState.Candidate);
  });

  it('means nothing to a node that leads already', () => {
    const node = newNode(noPreVote);
    stand(node);
    const candidacy = candidacyOf(node);
    voteFrom(node, 'b', true);
    const outcome = { reply: new RequestVoteResponse({ term: 9, granted: false }) };
    expect(step(node, { kind: 'voteReply', candidacy, from: 'c', outcome }).list).toEqual([]);
    expect(node.role).toBe(RaftState.Leader);
  });
});

describe('an election that takes too long', () => {
  it('starts again: a new term, new votes, all asked again', () => {
    const { log, lines } = recordingLogger();
    const node = newNode({ ...noPreVote, logger: log });
    stand(node);
    voteFrom(node, 'b', false);
    const out = step(node, { kind: 'timer', timer: 'election' });
    expect(kindsOf(out)).toEqual(['persistHardState', 'sendVote', 'sendVote']);
    expect(theOnly(out, 'persistHardState')).toMatchObject({ term: 3, vote: voteFor('a', 3) });
    expect(timersOf(out)).toEqual(['election=2000']);
    expect(candidacyOf(node).votes).toMatchObject({ granted: 1, refused: 0 });
    expect(lines).toContain('warn: Election timeout reached, restarting election');
  });

  it('starts with pre-votes again, though the term was raised before (S35)', () => {
    const node = newNode();
    stand(node);
    preVoteFrom(node, 'b', true);
    const out = step(node, { kind: 'timer', timer: 'election' });
    expect(kindsOf(out)).toEqual(['sendPreVote', 'sendPreVote']);
    expect(node.currentTerm).toBe(2);
  });

  it('that was a transfer goes on as an ordinary one (S31)', () => {
    const node = newNode();
    timeoutNow(node);
    const out = step(node, { kind: 'timer', timer: 'election' });
    expect(kindsOf(out)).toEqual(['sendPreVote', 'sendPreVote']);
    expect(node.candidateFromTransfer).toBe(false);
  });

  it('is nothing to whoever is no candidate', () => {
    const node = newNode();
    const out = step(node, { kind: 'timer', timer: 'election' });
    expect([out.list, out.timers]).toEqual([[], []]);
    expect(node.role).toBe(RaftState.Follower);
  });
});

describe('a candidate that is no voter', () => {
  it('does not vote for itself, and may win by the votes of others (S41)', () => {
    const servers = new Configuration([
      server('b'),
      server('c'),
      server('a', ServerSuffrage.Nonvoter),
    ]);
    const node = newNode({ servers, vote: voteFor('b', 1) });
    const out = timeoutNow(node);
    expect(theOnly(out, 'persistHardState')).toEqual({
      kind: 'persistHardState',
      term: 2,
      vote: null,
    });
    expect(node.vote).toEqual(voteFor('b', 1));
    voteFrom(node, 'b', true);
    expect(node.role).toBe(RaftState.Candidate);
    voteFrom(node, 'c', true);
    expect(node.role).toBe(RaftState.Leader);
  });
});
