import { describe, expect, it } from 'vitest';
import {
  elect,
  newNode,
  recordingLogger,
  selfOf,
  stand,
  voteFor,
  voters,
} from '../../testing/core-fixture.ts';
import { RaftState } from '../state.ts';
import {
  checkInvariants,
  describeNode,
  lastEntryOf,
  lastIndexOf,
  type NodeState,
  newNodeState,
  noConfigurations,
  termOf,
} from './node.ts';
import { TermIndex } from './term-index.ts';

describe('a node that has just been started', () => {
  it('has configurations of its own, whatever becomes of those it was given (test 80)', () => {
    const configurations = noConfigurations();
    const terms = new TermIndex();
    const nothing = { currentTerm: 0, vote: null, terms, snapshotIndex: 0, snapshotTerm: 0 };
    const initial = { ...nothing, configurations };
    const { config, random, log } = newNode();
    const node = newNodeState(selfOf('a'), config, random, log, initial);
    configurations.latestIndex = 7;
    configurations.committed = voters('x');
    expect(node.configurations).toEqual(noConfigurations());
    node.configurations.latest = voters('y');
    expect(configurations.latest).toEqual(noConfigurations().latest);
  });

  it('follows nobody, and starts from its snapshot', () => {
    const configurations = noConfigurations();
    const initial = {
      currentTerm: 4,
      vote: voteFor('b', 3),
      terms: new TermIndex([{ first: 8, last: 9, term: 4 }]),
      snapshotIndex: 7,
      snapshotTerm: 3,
      configurations,
    };
    const config = newNode().config;
    const random = { next: () => 0 };
    const node = newNodeState(selfOf('a'), config, random, recordingLogger().log, initial);
    expect(node).toMatchObject({
      role: RaftState.Follower,
      leaderAddress: '',
      commitIndex: 7,
      lastApplied: 7,
      currentTerm: 4,
      lastContactMs: undefined,
    });
    expect(node.configurations).not.toBe(configurations);
    expect(() => checkInvariants(node)).not.toThrow();
  });
});

describe('the last entry', () => {
  it.each([
    ['of the log', [1, 1, 2], 1, { index: 0, term: 0 }, { index: 3, term: 2 }],
    ['of the log behind a snapshot', [2, 3], 4, { index: 3, term: 1 }, { index: 5, term: 3 }],
    ['of the snapshot when there is no log', [], 1, { index: 3, term: 1 }, { index: 3, term: 1 }],
    [
      'of the snapshot when the log ends before it',
      [1],
      1,
      { index: 3, term: 2 },
      { index: 3, term: 2 },
    ],
    ['of nothing', [], 1, { index: 0, term: 0 }, { index: 0, term: 0 }],
  ])('is the one %s (S121)', (_what, log, first, snapshot, last) => {
    const node = newNode({ log, first, snapshot });
    expect(lastEntryOf(node)).toEqual(last);
    expect(lastIndexOf(node)).toBe(last.index);
  });
});

describe('termOf', () => {
  it('knows the log, the snapshot’s last entry and the beginning of time', () => {
    const node = newNode({ log: [2, 3], first: 5, snapshot: { index: 3, term: 1 } });
    const known = [0, 2, 3, 4, 5, 6, 7].map((index) => termOf(node, index));
    expect(known).toEqual([0, undefined, 1, undefined, 2, 3, undefined]);
  });
});

describe('describeNode', () => {
  it('prints as Go does', () => {
    expect(describeNode('a:1', RaftState.Leader)).toBe('Node at a:1 [Leader]');
  });
});

describe('checkInvariants', () => {
  it.each<[string, (node: NodeState) => void]>([
    ['more is applied than committed', (n) => Object.assign(n, { lastApplied: 2, commitIndex: 1 })],
    [
      'more is committed than there is',
      (n) => Object.assign(n, { commitIndex: 9, lastApplied: 9 }),
    ],
    ['the snapshot is ahead of what is applied', (n) => Object.assign(n, { snapshotIndex: 1 })],
    [
      'a committed configuration is newer than the latest',
      (n) => Object.assign(n.configurations, { committedIndex: 2 }),
    ],
    ['a leader has no leadership', (n) => Object.assign(n, { role: RaftState.Leader })],
    ['a candidate has no candidacy', (n) => Object.assign(n, { role: RaftState.Candidate })],
    ['the vote is of a term to come', (n) => Object.assign(n, { vote: voteFor('b', 9) })],
  ])('finds that %s', (_what, spoil) => {
    const node = newNode();
    expect(() => checkInvariants(node)).not.toThrow();
    spoil(node);
    expect(() => checkInvariants(node)).toThrow(/must|when and only when/);
  });

  it('finds a role that was left without leaving its state', () => {
    const leader = newNode();
    elect(leader);
    leader.role = RaftState.Follower;
    expect(() => checkInvariants(leader)).toThrow(/leads when and only when/);
    const candidate = newNode();
    stand(candidate);
    candidate.role = RaftState.Follower;
    expect(() => checkInvariants(candidate)).toThrow(/stands when and only when/);
  });
});
