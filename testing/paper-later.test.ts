import { describe, expect, it } from 'vitest';
import { ConfigurationChangeCommand as Command, hasVote } from '../raft/configuration.ts';
import { isDurable } from '../raft/core/effect.ts';
import type { NodeState } from '../raft/core/node.ts';
import { LogType } from '../raft/log.ts';
import { RequestPreVoteRequest, TimeoutNowRequest } from '../raft/messages.ts';
import { RaftState } from '../raft/state.ts';
import { CoreCluster } from './core-cluster.ts';
import {
  appendBy,
  appended,
  beatReplied,
  command,
  commitWith,
  configurationEntry,
  elect,
  entries,
  headerOf,
  heldBy,
  kindsOf,
  newLeader,
  newNode,
  only,
  peerOf,
  stand,
  step,
  theOnly,
  voteBy,
  voteFor,
  voters,
} from './core-fixture.ts';

// The later sections of the paper, and of the thesis where the paper leaves a rule to it.

const noPreVote = { config: { preVote: false } };

function append(node: NodeState, from: string, fields: object) {
  return step(node, { kind: 'appendEntries', request: appendBy(from, fields), ticket: 1 });
}

function granted(node: NodeState, from: string, fields: object): boolean {
  const out = step(node, { kind: 'requestVote', request: voteBy(from, fields), ticket: 1 });
  const { reply } = theOnly(out, 'reply');
  return 'granted' in reply && reply.granted;
}

function change(on: NodeState, what: Command, id: string, ticket = 5) {
  const wish = { command: what, serverID: id, serverAddress: `${id}:1`, prevIndex: 0 };
  return step(on, { kind: 'changeConfiguration', change: wish, ticket });
}

describe('§5.4 Safety', () => {
  it('§5.4.1 a voter denies its vote to a candidate whose log is less up to date', () => {
    const cluster = new CoreCluster(['a', 'b', 'c'], noPreVote);
    cluster.cut.add('c');
    cluster.silence('a');
    cluster.happen('a', { kind: 'propose', proposals: [command] });
    cluster.cut.clear();
    cluster.cut.add('a');
    cluster.tellToStand('c');
    expect(cluster.node('c')).toMatchObject({ role: RaftState.Candidate, currentTerm: 2 });
    expect(cluster.node('b').vote).toEqual(voteFor('a', 2));
    cluster.tellToStand('b');
    expect(cluster.node('b').role).toBe(RaftState.Leader);
  });

  it('§5.4.1 the later last term is more up to date; in the same term, the longer log is', () => {
    const ask = (lastLogIndex: number, lastLogTerm: number) =>
      granted(newNode({ log: [1, 1, 3] }), 'b', { term: 9, lastLogIndex, lastLogTerm });
    expect([ask(1, 4), ask(9, 2), ask(4, 3), ask(3, 3), ask(2, 3)]).toEqual([
      true,
      false,
      true,
      true,
      false,
    ]);
  });

  it('§5.4.2 entries of earlier terms are not committed by counting (figure 8)', () => {
    const node = newNode({ log: [1, 2], currentTerm: 3 });
    elect(node);
    appended(node, 2);
    heldBy(node, 'b', 2);
    heldBy(node, 'c', 2);
    expect(node.commitIndex).toBe(0);
  });

  it('§5.4.2 they are committed with the first entry of the leader’s own term', () => {
    const node = newNode({ log: [1, 2], currentTerm: 3 });
    elect(node);
    const out = commitWith(node, 'b', 3);
    expect(only(out, 'apply')).toEqual([{ kind: 'apply', upTo: 3 }]);
  });

  it('§5.4.3 no server applies another entry at an index that one has applied', () => {
    const cluster = new CoreCluster(['a', 'b', 'c'], noPreVote);
    for (const [isolated, id] of [
      ['c', 'a'],
      ['a', 'b'],
      ['b', 'c'],
      ['c', 'b'],
    ] as const) {
      cluster.cut.clear();
      cluster.cut.add(isolated);
      cluster.tellToStand(id);
      if (cluster.node(id).role !== RaftState.Leader) continue;
      cluster.happen(id, { kind: 'propose', proposals: [command] });
      cluster.ring(id);
    }
    const all = ['a', 'b', 'c'].map((id) => cluster.member(id).applied);
    const longest = all.reduce((one, other) => (one.length > other.length ? one : other));
    expect(longest.length).toBeGreaterThan(4);
    for (const applied of all) expect(applied).toEqual(longest.slice(0, applied.length));
  });
});

describe('figure 2', () => {
  it('persistent state is on stable storage before RPCs are answered', () => {
    const node = newNode({ log: [1, 1] });
    const fields = { term: 4, prevLogEntry: 1, prevLogTerm: 1, entries: entries(2, 4) };
    const kinds = append(node, 'b', fields).list;
    const reply = kinds.findIndex(({ kind }) => kind === 'reply');
    const durable = kinds.flatMap((effect, at) => (isDurable(effect) ? [at] : []));
    expect(durable).toHaveLength(3);
    expect(Math.max(...durable)).toBeLessThan(reply);
  });

  it('a candidate’s term and vote are on stable storage before it asks', () => {
    const kinds = kindsOf(stand(newNode(noPreVote)));
    expect(kinds.indexOf('persistHardState')).toBeLessThan(kinds.indexOf('sendVote'));
  });

  it('the commit index of a follower is min(leaderCommit, index of the last new entry)', () => {
    const node = newNode({ log: [1, 1, 1, 1] });
    const fields = { term: 1, prevLogEntry: 1, prevLogTerm: 1, entries: entries(2, 1) };
    append(node, 'b', { ...fields, leaderCommitIndex: 4 });
    expect(node.commitIndex).toBe(2);
    append(node, 'b', { term: 1, prevLogEntry: 4, prevLogTerm: 1, leaderCommitIndex: 3 });
    expect(node.commitIndex).toBe(3);
  });

  it('if commitIndex > lastApplied, what lies between is applied, once', () => {
    const cluster = new CoreCluster(['a', 'b', 'c'], noPreVote);
    cluster.silence('a');
    for (let i = 0; i < 3; i += 1) {
      cluster.happen('a', { kind: 'propose', proposals: [command] });
      cluster.ring('a');
      cluster.ring('a');
    }
    expect(cluster.member('b').applied.map(({ index }) => index)).toEqual([1, 2, 3, 4, 5]);
  });
});

describe('§6 Cluster membership changes (by one server at a time, thesis §4)', () => {
  it('§6 a server uses the latest configuration in its log, committed or not', () => {
    const { node } = newLeader();
    commitWith(node, 'b', 2);
    change(node, Command.AddVoter, 'd');
    expect(hasVote(node.configurations.latest, 'd')).toBe(true);
    expect(node.commitIndex).toBe(2);
    const follower = newNode();
    const entry = configurationEntry(2, 1, voters('b', 'c'));
    append(follower, 'b', { term: 1, prevLogEntry: 1, prevLogTerm: 1, entries: [entry] });
    expect(hasVote(follower.configurations.latest, 'a')).toBe(false);
  });

  it('§6 a configuration that is cut from the log gives way to the one before it', () => {
    const node = newNode();
    const entry = configurationEntry(2, 1, voters('a', 'b'));
    append(node, 'b', { term: 1, prevLogEntry: 1, prevLogTerm: 1, entries: [entry] });
    append(node, 'c', { term: 2, prevLogEntry: 1, prevLogTerm: 1, entries: entries(2, 2) });
    expect(node.configurations.latest).toEqual(voters('a', 'b', 'c'));
  });

  it('thesis §4.1 no change begins before the one before it is committed', () => {
    const { node } = newLeader();
    commitWith(node, 'b', 2);
    change(node, Command.AddVoter, 'd');
    expect(() => change(node, Command.AddVoter, 'e')).toThrow();
    commitWith(node, 'b', 3);
    commitWith(node, 'c', 3);
    change(node, Command.AddVoter, 'e');
    expect(node.configurations.latestIndex).toBe(4);
  });

  it('thesis §4.2.1 new servers may be added as nonvoters, who count for no majority', () => {
    const { node } = newLeader();
    commitWith(node, 'b', 2);
    change(node, Command.AddNonvoter, 'd');
    appended(node, 3);
    heldBy(node, 'd', 3);
    expect(node.commitIndex).toBe(2);
    heldBy(node, 'c', 3);
    expect(node.commitIndex).toBe(3);
  });

  it('§6 a leader that C_new leaves out leads until that is committed, uncounted', () => {
    const { node } = newLeader({ config: { shutdownOnRemove: false } });
    commitWith(node, 'b', 2);
    change(node, Command.RemoveServer, 'a');
    appended(node, 3);
    heldBy(node, 'b', 3);
    expect([node.role, node.commitIndex]).toEqual([RaftState.Leader, 2]);
    heldBy(node, 'c', 3);
    expect([node.role, node.commitIndex]).toEqual([RaftState.Follower, 3]);
  });

  it('§6 servers disregard requests for votes while they believe that a leader exists', () => {
    const node = newNode();
    append(node, 'b', { term: 1 });
    const request = { term: 9, lastLogIndex: 9, lastLogTerm: 9 };
    expect(granted(node, 'c', request)).toBe(false);
    expect(node.currentTerm).toBe(1);
    stand(node, 5000);
    expect(granted(node, 'c', request)).toBe(true);
  });

  it('§6 a removed server does not disturb those who stay, and learns that it is out', () => {
    const cluster = new CoreCluster(['a', 'b', 'c'], noPreVote);
    cluster.silence('a');
    const wish = { command: Command.RemoveServer, serverID: 'c', serverAddress: '', prevIndex: 0 };
    cluster.happen('a', { kind: 'changeConfiguration', change: wish, ticket: 5 });
    cluster.silence('c');
    expect(cluster.node('c').role).toBe(RaftState.Follower);
    expect(cluster.node('c').configurations.committedIndex).toBe(3);
    expect(cluster.node('a')).toMatchObject({ role: RaftState.Leader, currentTerm: 2 });
  });
});

describe('§7 Log compaction', () => {
  it('§7 a follower whose next entry the leader has discarded is sent the snapshot', () => {
    const cluster = new CoreCluster(['a', 'b', 'c'], {
      config: { preVote: false, trailingLogs: 0 },
    });
    cluster.cut.add('c');
    cluster.silence('a');
    cluster.happen('a', { kind: 'propose', proposals: [command, command] });
    const taken = { kind: 'snapshotTaken', index: 4, term: 2, durableIndex: 4 } as const;
    cluster.happen('a', taken);
    expect(cluster.termsOf('a')).toEqual([]);
    cluster.cut.delete('c');
    cluster.ring('a');
    cluster.happen('a', { kind: 'propose', proposals: [command] });
    expect(cluster.node('c')).toMatchObject({ snapshotIndex: 4, snapshotTerm: 2 });
    expect(cluster.termsOf('c')).toEqual([2]);
    expect(peerOf(cluster.node('a'), 'c').matchIndex).toBe(5);
  });

  it('§7 the snapshot’s last index and term serve the check of the next entry', () => {
    const node = newNode({ log: [], snapshot: { index: 4, term: 2 } });
    const fields = { term: 3, prevLogEntry: 4, entries: entries(5, 3) };
    const wrong = append(node, 'b', { ...fields, prevLogTerm: 1 });
    expect(theOnly(wrong, 'reply').reply).toMatchObject({ success: false });
    const right = append(node, 'b', { ...fields, prevLogTerm: 2 });
    expect(theOnly(right, 'reply').reply).toMatchObject({ success: true });
  });

  it('§7 the vote takes the snapshot’s last entry for the log’s when the log is empty', () => {
    const ask = (lastLogIndex: number) =>
      granted(newNode({ log: [], snapshot: { index: 4, term: 2 } }), 'b', {
        term: 9,
        lastLogIndex,
        lastLogTerm: 2,
      });
    expect([ask(3), ask(4)]).toEqual([false, true]);
  });
});

describe('§8 Client interaction', () => {
  it('§8 a leader begins its term with a blank entry', () => {
    const node = newNode();
    const { out } = elect(node);
    const [blank] = theOnly(out, 'startAppend').entries;
    expect(blank).toMatchObject({ type: LogType.LogNoop, data: null, term: 2 });
  });

  it('§8 a read waits for a majority’s word that the leader still leads', () => {
    const node = newNode();
    const { out } = elect(node);
    for (const beat of only(out, 'sendHeartbeat')) beatReplied(node, beat);
    commitWith(node, 'b', 2);
    const asked = step(node, { kind: 'readIndex', ticket: 9 });
    expect(only(asked, 'settle')).toEqual([]);
    const [beat] = only(asked, 'sendHeartbeat');
    if (beat === undefined) throw new Error('expected a heartbeat');
    expect(only(beatReplied(node, beat), 'settle')).toMatchObject([{ ticket: 9, value: 2 }]);
  });

  it('§8 a read of a deposed leader is never answered', () => {
    const cluster = new CoreCluster(['a', 'b', 'c'], noPreVote);
    cluster.silence('a');
    cluster.ring('a');
    cluster.cut.add('a');
    cluster.tellToStand('b');
    cluster.happen('b', { kind: 'propose', proposals: [command] });
    expect(cluster.node('b').role).toBe(RaftState.Leader);
    cluster.happen('a', { kind: 'readIndex', ticket: 9 });
    cluster.cut.clear();
    cluster.ring('a');
    expect(cluster.node('a').role).toBe(RaftState.Follower);
    expect(cluster.member('a').settled.get(9)).toMatchObject({ code: 'ERR_LEADERSHIP_LOST' });
  });
});

describe('the thesis', () => {
  it('thesis §3.10 a transfer target is brought up to date, told to stand, and wins', () => {
    const cluster = new CoreCluster(['a', 'b', 'c']);
    cluster.silence('a');
    cluster.happen('a', { kind: 'propose', proposals: [command] });
    const target = { id: 'b', address: 'b:1' };
    cluster.happen('a', { kind: 'transfer', target, ticket: 9 });
    expect(cluster.node('b')).toMatchObject({ role: RaftState.Leader, currentTerm: 3 });
    expect(cluster.node('a')).toMatchObject({ role: RaftState.Follower, leaderID: 'b' });
    expect(cluster.member('a').settled.has(9)).toBe(true);
    expect(cluster.member('a').settled.get(9)).toBeUndefined();
  });

  it('thesis §3.10 the target stands without waiting for its timeout', () => {
    const node = newNode();
    append(node, 'b', { term: 1 });
    step(node, { kind: 'timeoutNow', request: new TimeoutNowRequest(), ticket: 1 });
    expect(node).toMatchObject({ role: RaftState.Candidate, currentTerm: 2 });
  });

  it('thesis §6.2 a leader that cannot reach a majority steps down', () => {
    const { node } = newLeader();
    step(node, { kind: 'timer', timer: 'lease' }, 501);
    expect(node.role).toBe(RaftState.Follower);
  });

  it('thesis §9.6 a server that was cut off raises no term and deposes nobody', () => {
    const cluster = new CoreCluster(['a', 'b', 'c']);
    cluster.silence('a');
    cluster.cut.add('c');
    cluster.silence('c');
    for (let i = 0; i < 5; i += 1) cluster.happen('c', { kind: 'timer', timer: 'election' });
    expect(cluster.node('c')).toMatchObject({ role: RaftState.Candidate, currentTerm: 2 });
    cluster.cut.clear();
    cluster.happen('c', { kind: 'timer', timer: 'election' });
    expect(cluster.node('a')).toMatchObject({ role: RaftState.Leader, currentTerm: 2 });
    cluster.ring('a');
    expect(cluster.node('c').role).toBe(RaftState.Follower);
  });

  it('thesis §9.6 a pre-vote changes nothing on the server that gives it', () => {
    const node = newNode();
    const request = new RequestPreVoteRequest({
      rpcHeader: headerOf('b'),
      term: 2,
      lastLogIndex: 1,
      lastLogTerm: 1,
    });
    const out = step(node, { kind: 'requestPreVote', request, ticket: 1 }, 700);
    expect(out.list.some(isDurable)).toBe(false);
    expect(node).toMatchObject({ currentTerm: 1, vote: null, lastContactMs: undefined });
  });
});
