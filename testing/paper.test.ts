import { describe, expect, it } from 'vitest';
import { AppendEntriesRequest, RequestVoteRequest, TimeoutNowRequest } from '../raft/messages.ts';
import { RaftState } from '../raft/state.ts';
import { CoreCluster } from './core-cluster.ts';
import {
  appendBy,
  appended,
  appendReplied,
  beatReplied,
  candidacyOf,
  command,
  commitWith,
  elect,
  entries,
  heldBy,
  kindsOf,
  leadershipOf,
  newLeader,
  newNode,
  only,
  peerOf,
  posted,
  sent,
  stand,
  step,
  theOnly,
  timersOf,
  voteBy,
  voteFor,
  voteFrom,
  voters,
} from './core-fixture.ts';

// One test for each sentence of "In Search of an Understandable Consensus Algorithm" (extended
// version) that tells a server what to do; the title says where it stands. The later sections are
// in paper-later.test.ts.

const noPreVote = { config: { preVote: false } };
const upToDate = { lastLogIndex: 99, lastLogTerm: 99 };

function append(node: ReturnType<typeof newNode>, from: string, fields: object) {
  const request = appendBy(from, fields);
  return step(node, { kind: 'appendEntries', request, ticket: 1 });
}

function vote(node: ReturnType<typeof newNode>, from: string, fields: object) {
  const request = voteBy(from, fields);
  return step(node, { kind: 'requestVote', request, ticket: 1 });
}

describe('§5.1 Raft basics', () => {
  it('§5.1 each server stores a current term, which increases monotonically over time', () => {
    const node = newNode({ currentTerm: 5, log: [1] });
    append(node, 'b', { term: 4 });
    vote(node, 'b', { term: 3, ...upToDate });
    expect(node.currentTerm).toBe(5);
    vote(node, 'b', { term: 8, ...upToDate });
    expect(node.currentTerm).toBe(8);
  });

  it('§5.1 current terms are exchanged whenever servers communicate', () => {
    const cluster = new CoreCluster(['a', 'b', 'c'], noPreVote);
    cluster.silence('a');
    cluster.ring('a');
    const requests = cluster.sent.map(({ request }) => request);
    expect(new Set(requests.map(({ kind }) => kind))).toEqual(
      new Set(['RequestVoteRequest', 'AppendEntriesRequest']),
    );
    expect(requests.every((request) => 'term' in request && request.term === 2)).toBe(true);
    const reply = theOnly(append(newNode({ currentTerm: 7 }), 'b', { term: 3 }), 'reply').reply;
    expect(reply).toMatchObject({ term: 7 });
  });

  it('§5.1 a smaller current term is updated to the larger, by requests and answers', () => {
    const asked = newNode();
    append(asked, 'b', { term: 7 });
    expect(asked.currentTerm).toBe(7);
    const answered = newNode();
    const { out } = elect(answered);
    const [beat] = only(out, 'sendHeartbeat');
    if (beat === undefined) throw new Error('expected a heartbeat');
    posted(answered, beatReplied(answered, beat, { term: 7, success: false }));
    expect(answered.currentTerm).toBe(7);
  });

  it('§5.1 a candidate or leader whose term is out of date reverts to follower', () => {
    const leader = newNode();
    elect(leader);
    append(leader, 'b', { term: 9 });
    expect(leader).toMatchObject({ role: RaftState.Follower, currentTerm: 9 });
    const candidate = newNode(noPreVote);
    stand(candidate);
    voteFrom(candidate, 'b', false, 9);
    expect(candidate).toMatchObject({ role: RaftState.Follower, currentTerm: 9 });
  });

  it('§5.1 a request with a stale term number is rejected', () => {
    const node = newNode({ currentTerm: 5 });
    const refused = append(node, 'b', { term: 4, entries: entries(2, 4) });
    expect(refused.list).toMatchObject([{ reply: { success: false, term: 5 } }]);
    const reply = theOnly(vote(node, 'b', { term: 4, ...upToDate }), 'reply').reply;
    expect(reply).toMatchObject({ granted: false, term: 5 });
  });
});

describe('§5.2 Leader election', () => {
  it('§5.2 when servers start up, they begin as followers', () => {
    const node = newNode();
    step(node, { kind: 'start' });
    expect(node.role).toBe(RaftState.Follower);
  });

  it('§5.2 a server remains a follower as long as it receives valid RPCs', () => {
    const node = newNode();
    const beat = appendBy('b', { term: 1 });
    step(node, { kind: 'appendEntries', request: beat, ticket: 1 }, 500);
    stand(node, 1499);
    expect(node.role).toBe(RaftState.Follower);
    const request = voteBy('b', { term: 2, ...upToDate });
    step(node, { kind: 'requestVote', request, ticket: 2 }, 1499);
    stand(node, 2498);
    expect(node.role).toBe(RaftState.Follower);
  });

  it('§5.2 a follower that receives no communication begins an election', () => {
    const node = newNode();
    stand(node, 1500);
    expect(node.role).toBe(RaftState.Candidate);
  });

  it('§5.2 to begin an election, a follower increments its current term', () => {
    const node = newNode({ ...noPreVote, currentTerm: 4 });
    stand(node);
    expect(node).toMatchObject({ currentTerm: 5, role: RaftState.Candidate });
  });

  it('§5.2 it votes for itself and asks each of the other servers in parallel', () => {
    const node = newNode(noPreVote);
    const out = stand(node);
    expect(node.vote).toEqual(voteFor('a', 2));
    expect(only(out, 'sendVote').map(({ to }) => to.id)).toEqual(['b', 'c']);
  });

  it('§5.2 a candidate wins by a majority of the full cluster for the same term', () => {
    const node = newNode({ ...noPreVote, servers: voters('a', 'b', 'c', 'd', 'e') });
    stand(node);
    voteFrom(node, 'b', true);
    voteFrom(node, 'c', true, 1);
    expect(node.role).toBe(RaftState.Candidate);
    voteFrom(node, 'd', true);
    expect(node.role).toBe(RaftState.Leader);
  });

  it('§5.2 each server votes for at most one candidate in a term, first come first served', () => {
    const node = newNode();
    const granted = (from: string) => {
      const { reply } = theOnly(vote(node, from, { term: 5, ...upToDate }), 'reply');
      return 'granted' in reply && reply.granted;
    };
    expect([granted('b'), granted('c'), granted('b')]).toEqual([true, false, true]);
  });

  it('§5.2 at most one candidate can win in a term', () => {
    const cluster = new CoreCluster(['a', 'b', 'c'], noPreVote);
    const winners = new Map<number, string>();
    for (const [isolated, id] of [
      ['', 'a'],
      ['a', 'b'],
      ['b', 'c'],
      ['c', 'a'],
      ['', 'b'],
    ] as const) {
      cluster.cut.clear();
      cluster.cut.add(isolated);
      cluster.tellToStand(id);
      for (const { node } of cluster.members.values()) {
        if (node.role !== RaftState.Leader) continue;
        expect(winners.get(node.currentTerm) ?? node.self.id).toBe(node.self.id);
        winners.set(node.currentTerm, node.self.id);
      }
    }
    expect(winners.size).toBeGreaterThan(2);
  });

  it('§5.2 a candidate that wins sends heartbeats to all other servers', () => {
    const node = newNode(noPreVote);
    stand(node);
    const out = voteFrom(node, 'b', true);
    expect(only(out, 'sendHeartbeat').map(({ peer }) => peer.server.id)).toEqual(['b', 'c']);
    expect(only(out, 'sendHeartbeat').every(({ request }) => request.entries === null)).toBe(true);
  });

  it('§5.2 a candidate recognises a leader whose term is at least as large', () => {
    for (const term of [2, 3]) {
      const node = newNode(noPreVote);
      stand(node);
      append(node, 'b', { term });
      expect(node).toMatchObject({ role: RaftState.Follower, leaderID: 'b' });
    }
    const told = newNode();
    step(told, { kind: 'timeoutNow', request: new TimeoutNowRequest(), ticket: 1 });
    append(told, 'b', { term: 2 });
    expect(told.role).toBe(RaftState.Follower);
  });

  it('§5.2 a candidate rejects an RPC of a smaller term and remains a candidate', () => {
    const node = newNode(noPreVote);
    stand(node);
    const { reply } = theOnly(append(node, 'b', { term: 1 }), 'reply');
    expect(reply).toMatchObject({ success: false, term: 2 });
    expect(node.role).toBe(RaftState.Candidate);
  });

  it('§5.2 a candidate that neither wins nor loses starts a new election in a new term', () => {
    const node = newNode(noPreVote);
    stand(node);
    const before = candidacyOf(node);
    const out = step(node, { kind: 'timer', timer: 'election' });
    expect(node.currentTerm).toBe(3);
    expect(candidacyOf(node)).not.toBe(before);
    expect(only(out, 'sendVote')).toHaveLength(2);
  });

  it('§5.2 election timeouts are chosen randomly from a fixed interval, for each election', () => {
    const dice = [0, 0.25, 0.5];
    const node = { ...newNode(noPreVote), random: { next: () => dice.shift() ?? 0 } };
    expect(timersOf(stand(node))).toContain('election=2500');
    const again = step(node, { kind: 'timer', timer: 'election' });
    expect(timersOf(again)).toEqual(['election=3000']);
  });
});

describe('§5.3 Log replication', () => {
  it('§5.3 a command is appended to the leader’s log, then sent to each of the others', () => {
    const { node } = newLeader();
    for (const id of ['b', 'c']) peerOf(node, id).sending = false;
    const out = step(node, { kind: 'propose', proposals: [command] });
    expect(kindsOf(out)).toEqual(['startAppend', 'sendAppend', 'sendAppend']);
  });

  it('§5.3 an entry is applied when it has been safely replicated, and not before', () => {
    const { node } = newLeader();
    const before = appended(node, 2);
    expect(before.list).toEqual([]);
    expect(node.lastApplied).toBe(0);
    expect(only(heldBy(node, 'b', 2), 'apply')).toEqual([{ kind: 'apply', upTo: 2 }]);
  });

  it('§5.3 the leader retries indefinitely until all followers store all entries', () => {
    const cluster = new CoreCluster(['a', 'b', 'c'], noPreVote);
    cluster.cut.add('c');
    cluster.silence('a');
    for (let i = 0; i < 20; i += 1) {
      cluster.happen('a', { kind: 'propose', proposals: [command] });
      cluster.ring('a');
    }
    expect(cluster.termsOf('c')).toEqual([1]);
    cluster.cut.delete('c');
    cluster.ring('a');
    expect(cluster.termsOf('c')).toEqual(cluster.termsOf('a'));
    expect(cluster.termsOf('c')).toHaveLength(22);
  });

  it('§5.3 an entry is committed once a majority stores it, and all before it', () => {
    const { node } = newLeader({ servers: voters('a', 'b', 'c', 'd', 'e'), log: [1, 1, 1] });
    appended(node, 4);
    heldBy(node, 'b', 4);
    expect(node.commitIndex).toBe(0);
    heldBy(node, 'c', 4);
    expect(node.commitIndex).toBe(4);
  });

  it('§5.3 followers learn the commit index by AppendEntries, and apply in log order', () => {
    const cluster = new CoreCluster(['a', 'b', 'c'], noPreVote);
    cluster.silence('a');
    cluster.happen('a', { kind: 'propose', proposals: [command, command] });
    cluster.ring('a');
    for (const id of ['a', 'b', 'c']) {
      const { applied } = cluster.member(id);
      expect(applied.map(({ index }) => index)).toEqual([1, 2, 3, 4]);
    }
  });

  it('§5.3 a leader creates at most one entry with a given index, and never moves it', () => {
    const { node } = newLeader();
    const indexes = [2];
    for (let i = 0; i < 5; i += 1) {
      const out = step(node, { kind: 'propose', proposals: [command, command] });
      indexes.push(...theOnly(out, 'startAppend').entries.map(({ index }) => index));
    }
    expect(indexes).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  });

  it('§5.3 the leader includes the index and term of the entry before the new ones', () => {
    const { node } = newLeader({ log: [1, 1] });
    const first = peerOf(node, 'b');
    first.sending = false;
    const out = step(node, { kind: 'propose', proposals: [command] });
    expect(theOnly(out, 'sendAppend')).toMatchObject({ prevIndex: 2, prevTerm: 1, first: 3 });
  });

  it('§5.3 a follower that does not find that entry refuses the new ones', () => {
    const node = newNode({ log: [1, 1] });
    for (const previous of [
      { prevLogEntry: 3, prevLogTerm: 1 },
      { prevLogEntry: 2, prevLogTerm: 2 },
    ]) {
      const out = append(node, 'b', { term: 2, ...previous });
      expect(theOnly(out, 'reply').reply).toMatchObject({ success: false });
    }
  });

  it('§5.3 conflicting entries of followers are overwritten (figure 7)', () => {
    const leader = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
    const followers = [
      [1, 1, 1, 4, 4, 5, 5, 6, 6],
      [1, 1, 1, 4],
      [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
      [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
      [1, 1, 1, 4, 4, 4, 4],
      [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
    ];
    for (const log of followers) {
      const node = newNode({ log, currentTerm: 8 });
      let prev = leader.length;
      const attempt = () => {
        const previous = { prevLogEntry: prev, prevLogTerm: leader[prev - 1] ?? 0 };
        const more = { term: 8, entries: entries(prev + 1, ...leader.slice(prev), 8) };
        const { reply } = theOnly(append(node, 'b', { ...previous, ...more }), 'reply');
        return 'success' in reply && reply.success;
      };
      while (!attempt()) prev -= 1;
      expect(leader.map((_, i) => node.terms.termAt(i + 1))).toEqual(leader);
      expect([node.terms.lastIndex, node.terms.lastTerm]).toEqual([11, 8]);
    }
  });

  it('§5.3 a new leader’s nextIndex is the one just after the last of its log', () => {
    const node = newNode({ log: [1, 1, 1] });
    elect(node);
    expect(peerOf(node, 'b').nextIndex).toBe(4);
  });

  it('§5.3 after a rejection the leader decrements nextIndex and retries', () => {
    const b = newNode({ id: 'b', log: [1, 2, 2, 2] });
    const { node } = newLeader({ servers: voters('a', 'b'), log: [1, 3, 3, 3], currentTerm: 3 });
    const tried: number[] = [];
    const peer = peerOf(node, 'b');
    peer.sending = false;
    let out = step(node, { kind: 'propose', proposals: [command] });
    for (let done = false; !done; ) {
      const request = theOnly(out, 'sendAppend');
      sent(node, request);
      tried.push(request.prevIndex);
      done = b.terms.termAt(request.prevIndex) === request.prevTerm;
      const answer = { success: done, lastLog: 4, noRetryBackoff: true };
      out = appendReplied(node, request, answer);
    }
    expect(tried).toEqual([4, 3, 2, 1]);
  });

  it('§5.3 a leader never overwrites or deletes entries in its log', () => {
    const { node } = newLeader({ log: [1, 1] });
    const before = [1, 2, 3].map((index) => node.terms.termAt(index));
    const old = append(node, 'b', { term: 1, entries: entries(1, 1) });
    expect(only(old, 'replaceTail')).toEqual([]);
    step(node, { kind: 'propose', proposals: [command] });
    commitWith(node, 'b', 3);
    expect([1, 2, 3].map((index) => node.terms.termAt(index))).toEqual(before);
  });
});

describe('§5.5 Follower and candidate crashes', () => {
  it('§5.5 RPCs are idempotent: entries that are there already are ignored', () => {
    const node = newNode();
    const fields = { term: 1, prevLogEntry: 1, prevLogTerm: 1, entries: entries(2, 1, 1) };
    expect(only(append(node, 'b', fields), 'append')).toHaveLength(1);
    const again = append(node, 'b', fields);
    expect(kindsOf(again)).toEqual(['awaitDurable', 'reply']);
    expect(node.terms.lastIndex).toBe(3);
  });
});

describe('what is exchanged', () => {
  it('figure 2: requests for votes and for entries are all that is needed', () => {
    const cluster = new CoreCluster(['a', 'b', 'c'], noPreVote);
    cluster.silence('a');
    cluster.happen('a', { kind: 'propose', proposals: [command] });
    cluster.ring('a');
    const kinds = [RequestVoteRequest, AppendEntriesRequest];
    expect(cluster.sent.every(({ request }) => kinds.some((kind) => request instanceof kind))).toBe(
      true,
    );
    expect(leadershipOf(cluster.node('a')).commitment.commitIndex).toBe(3);
  });
});
