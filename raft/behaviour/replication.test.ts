import { describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import { firstOf, led, slower, stranger } from '../../testing/behaviour-fixture.ts';
import {
  appendReplied,
  command,
  type EffectOf,
  elect,
  headerOf,
  newLeader,
  newNode,
  only,
  peerOf,
  sent,
  step,
  stepOfPeer,
  theOnly,
  voters,
} from '../../testing/core-fixture.ts';
import { Gate, TestCluster, type TestNode } from '../../testing/runtime-fixture.ts';
import { encodeConfiguration } from '../configuration-codec.ts';
import type { Effects } from '../core/effect.ts';
import type { MainInput } from '../core/input.ts';
import {
  AppendEntriesRequest,
  emptyHeader,
  InstallSnapshotRequest,
  RequestPreVoteRequest,
  RequestVoteRequest,
  TimeoutNowRequest,
} from '../messages.ts';
import { RaftState } from '../state.ts';

async function applied(node: TestNode, count: number): Promise<unknown[]> {
  return Promise.all(Array.from({ length: count }, (_, i) => node.raft.apply(utf8(`${i}`))));
}

describe('a follower that was cut off', () => {
  it('catches up with a hundred commands, and the leader stays (test 32)', async () => {
    const { nodes, time, leader, others } = await led(3);
    const [behind, other] = firstOf(others, 2);
    nodes.isolate(behind);
    await time.result(applied(leader, 100));
    expect(behind.raft.lastContact()).not.toBeNull();
    await nodes.agree(100, [leader, other]);
    expect(behind.applied).toEqual([]);
    nodes.connect();
    await nodes.agree(100);
    expect(await nodes.leader()).toBe(leader);
    await nodes.close();
  });

  it('hears of heartbeats and of entries by clocks of their own (S88)', () => {
    const { node, leadership } = newLeader();
    const peer = peerOf(node, 'b');
    const error = new Error('unreachable');
    const known = { leadership, peer, round: 1, sentAtMs: 0, outcome: { error } };
    stepOfPeer(node, { kind: 'heartbeatReply', ...known });
    expect([peer.beatFailures, peer.failures]).toEqual([1, 0]);
    const sent = { epoch: peer.epoch, prevIndex: 1, count: 1, commitIndex: 0 };
    stepOfPeer(node, { kind: 'appendReply', ...known, ...sent });
    stepOfPeer(node, { kind: 'sendFailed', leadership, peer, epoch: peer.epoch, error });
    expect([peer.beatFailures, peer.failures]).toEqual([1, 2]);
  });
});

describe('a hole in the log', () => {
  /** A leader whose log is 1, 2 and then 10, 11: a user restore has left the rest out. */
  function withHole() {
    const node = newNode({ log: [1, 1], currentTerm: 1 });
    node.terms.append(10, 11, 1);
    node.snapshotIndex = 9;
    node.snapshotTerm = 1;
    node.commitIndex = 9;
    node.lastApplied = 9;
    const { out, leadership } = elect(node);
    const peer = peerOf(node, 'b');
    const first = only(out, 'sendAppend').find((effect) => effect.peer === peer);
    if (first === undefined) throw new Error('expected a request to b');
    stepOfPeer(node, { kind: 'appendSent', leadership, peer, epoch: 0, count: 1 });
    stepOfPeer(node, { kind: 'senderReady', leadership, peer, epoch: 0 });
    return { node, first };
  }

  it.each([
    ['before it', 1],
    ['at its edge', 2],
    ['inside it', 5],
  ])('sends the snapshot to a follower whose log ends %s (S78)', (_, lastLog) => {
    const { node, first } = withHole();
    const refusal = { success: false, lastLog, noRetryBackoff: true };
    let out = appendReplied(node, first, refusal);
    const next = only(out, 'sendAppend')[0];
    if (next !== undefined) {
      // What lies before the hole is sent from the log, up to the hole.
      expect([next.first, node.terms.termAt(next.first)]).toEqual([lastLog + 1, 1]);
      const { leadership, peer, epoch } = next;
      out = stepOfPeer(node, { kind: 'entriesUnavailable', leadership, peer, epoch });
    }
    expect(only(out, 'sendSnapshot')).toHaveLength(1);
  });

  it('is nothing to a follower whose log ends behind it (S78)', () => {
    const { node, first } = withHole();
    const out = appendReplied(node, first, { success: false, lastLog: 9, noRetryBackoff: true });
    expect(theOnly(out, 'sendAppend')).toMatchObject({ prevIndex: 9, prevTerm: 1, first: 10 });
  });
});

describe('a pipeline that a refusal ends while the next request waits in it', () => {
  it('is left, and the follower gets everything all the same (S85, #612, #611)', () => {
    const node = newNode();
    const { out: greeting } = elect(node);
    const peer = peerOf(node, 'b');
    const toPeer = (out: Effects): EffectOf<'sendAppend'> => {
      const found = only(out, 'sendAppend').find((effect) => effect.peer === peer);
      if (found === undefined) throw new Error('expected a request to b');
      return found;
    };
    const first = toPeer(greeting);
    sent(node, first);
    appendReplied(node, first, {});
    expect(peer.state).toBe('pipeline');

    const ahead = toPeer(step(node, { kind: 'propose', proposals: [command] }));
    sent(node, ahead);
    const stuck = toPeer(step(node, { kind: 'propose', proposals: [command] }));
    const refusal = { success: false, lastLog: 1, noRetryBackoff: true };
    const out = appendReplied(node, ahead, refusal);
    expect(out.list.map(({ kind }) => kind)).toEqual(['closePipeline', 'sendAppend']);
    expect(toPeer(out)).toMatchObject({ first: 2, last: 4, pipelined: false });
    // The send that still hangs in the closed pipeline has nothing to say any more.
    expect(sent(node, stuck).list).toEqual([]);
    expect(peer).toMatchObject({ sending: true, inFlight: 0, sendIndex: 2 });
  });
});

describe('an answer', () => {
  const last = { lastLogIndex: 9, lastLogTerm: 9 };
  const rpcHeader = headerOf('b');

  it.each<[string, MainInput, object]>([
    [
      'AppendEntries',
      { kind: 'appendEntries', request: new AppendEntriesRequest({ rpcHeader }), ticket: 7 },
      headerOf('a'),
    ],
    [
      'RequestVote',
      { kind: 'requestVote', request: new RequestVoteRequest({ rpcHeader, ...last }), ticket: 7 },
      headerOf('a'),
    ],
    [
      'RequestPreVote',
      { kind: 'requestPreVote', request: new RequestPreVoteRequest({ rpcHeader }), ticket: 7 },
      headerOf('a'),
    ],
    [
      'InstallSnapshot',
      {
        kind: 'installSnapshot',
        request: new InstallSnapshotRequest({
          rpcHeader,
          snapshotVersion: 1,
          term: 4,
          lastLogIndex: 9,
          lastLogTerm: 1,
          configuration: encodeConfiguration(voters('a', 'b')),
        }),
        ticket: 7,
      },
      emptyHeader,
    ],
    [
      'TimeoutNow',
      { kind: 'timeoutNow', request: new TimeoutNowRequest({ rpcHeader }), ticket: 7 },
      emptyHeader,
    ],
  ])('to %s names its sender as Go does (S99)', (_, input, header) => {
    const { reply } = theOnly(step(newNode({ currentTerm: 5 }), input), 'reply');
    expect(reply.rpcHeader).toEqual(header);
  });
});

describe('a follower that installs a snapshot', () => {
  it('answers the heartbeats of its leader meanwhile (S100, S123)', async () => {
    const nodes = new TestCluster();
    const { time } = nodes;
    const raft = await nodes.add({ config: slower }).start();
    const trans = stranger(nodes);
    const rpcHeader = headerOf('b');
    const beat = () =>
      time.result(
        trans.appendEntries('a', 'a:1', new AppendEntriesRequest({ rpcHeader, term: 3 })),
        5,
      );
    await beat();
    const gate = new Gate();
    const state = utf8('["x"]');
    async function* slow() {
      await gate.pass();
      yield state;
    }
    const install = new InstallSnapshotRequest({
      rpcHeader,
      snapshotVersion: 1,
      term: 3,
      lastLogIndex: 9,
      lastLogTerm: 3,
      configuration: encodeConfiguration(voters('a', 'b', 'c')),
      configurationIndex: 1,
      size: state.length,
    });
    const installed = trans.installSnapshot('a', 'a:1', install, slow());
    for (let i = 0; i < 20; i += 1) {
      await time.pass(50);
      expect(await beat()).toMatchObject({ success: true, term: 3 });
    }
    expect([raft.state(), raft.lastIndex()]).toEqual([RaftState.Follower, 0]);
    gate.open();
    expect(await time.result(installed)).toMatchObject({ success: true });
    expect([raft.lastIndex(), raft.appliedIndex()]).toEqual([9, 9]);
    await nodes.close();
  });
});
