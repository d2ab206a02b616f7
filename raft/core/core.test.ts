import { describe, expect, it } from 'vitest';
import {
  appendBy,
  appended,
  command,
  commitWith,
  elect,
  kindsOf,
  leadershipOf,
  newLeader,
  newNode,
  peerOf,
  recordingLogger,
  step,
  stepOfPeer,
  timersOf,
  voteBy,
  voters,
} from '../../testing/core-fixture.ts';
import { ConfigurationChangeCommand } from '../configuration.ts';
import { ErrRaftShutdown } from '../errors.ts';
import { InstallSnapshotRequest, RequestPreVoteRequest, TimeoutNowRequest } from '../messages.ts';
import { RaftState } from '../state.ts';
import { handOver } from './apply.ts';
import { Effects } from './effect.ts';
import type { MainInput } from './input.ts';

describe('a node', () => {
  it('that starts listens for a leader', () => {
    const { log, lines } = recordingLogger();
    const out = step(newNode({ logger: log }), { kind: 'start' });
    expect([out.list, timersOf(out)]).toEqual([[], ['heartbeat=1000']]);
    expect(lines).toEqual(['info: entering follower state']);
  });

  it('takes no heed of a heartbeat timer that rang for another role', () => {
    const { node } = newLeader();
    const out = step(node, { kind: 'timer', timer: 'heartbeat' }, 9999);
    expect([out.list, out.timers]).toEqual([[], []]);
    expect(node.role).toBe(RaftState.Leader);
  });

  it('tells the snapshot loop which configuration is committed', () => {
    const node = newNode();
    const out = step(node, { kind: 'snapshotConfiguration', ticket: 4 });
    const value = { configuration: voters('a', 'b', 'c'), configurationIndex: 1 };
    expect(out.list).toEqual([{ kind: 'settle', ticket: 4, value }]);
  });

  it('stops when what must hold does not', () => {
    const node = newNode();
    node.lastApplied = 99;
    expect(() => step(node, { kind: 'start' })).toThrow(/applied 99 must not pass/);
  });
});

describe('what is committed', () => {
  it('is handed to the FSM once (S65)', () => {
    const node = newNode({ log: [1, 1, 1] });
    node.commitIndex = 2;
    const out = new Effects();
    handOver(node, out);
    handOver(node, out);
    expect(out.list).toEqual([{ kind: 'apply', upTo: 2 }]);
    expect(node.lastApplied).toBe(2);
  });

  it('never goes back when old news arrives (S65)', () => {
    const { node, leadership } = newLeader();
    commitWith(node, 'b', 2);
    const again = step(node, { kind: 'commitAdvanced', leadership });
    expect(again.list).toEqual([]);
    expect(node.commitIndex).toBe(2);
  });

  it('counts for the leadership that counted it', () => {
    const { node, leadership } = newLeader();
    leadership.commitment.match('a', 2);
    leadership.commitment.match('b', 2);
    step(node, { kind: 'appendEntries', request: appendBy('b', { term: 9 }), ticket: 1 });
    expect(step(node, { kind: 'commitAdvanced', leadership }).list).toEqual([]);
    expect(node.commitIndex).toBe(0);
  });
});

describe('a newer term that a peer has told of', () => {
  it('is old news when the node knows it already', () => {
    const { node, leadership } = newLeader();
    expect(step(node, { kind: 'newerTerm', leadership, term: 2 }).list).toEqual([]);
    expect(node.role).toBe(RaftState.Leader);
    step(node, { kind: 'newerTerm', leadership, term: 3 });
    expect(node).toMatchObject({ role: RaftState.Follower, currentTerm: 3 });
  });
});

describe('a node that is shut down', () => {
  const error = ErrRaftShutdown;
  const change = {
    command: ConfigurationChangeCommand.RemoveServer,
    serverID: 'b',
    serverAddress: '',
    prevIndex: 0,
  };

  it.each<[MainInput]>([
    [{ kind: 'verify', ticket: 5 }],
    [{ kind: 'readIndex', ticket: 5 }],
    [{ kind: 'changeConfiguration', change, ticket: 5 }],
    [{ kind: 'bootstrap', configuration: voters('a'), ticket: 5 }],
    [{ kind: 'transfer', target: null, ticket: 5 }],
    [{ kind: 'snapshotConfiguration', ticket: 5 }],
  ])('refuses whoever asks: %o', (input) => {
    const node = newNode();
    step(node, { kind: 'shutdown' });
    expect(step(node, input).list).toEqual([{ kind: 'settleError', ticket: 5, error }]);
  });

  it.each<[MainInput]>([
    [{ kind: 'appendEntries', request: appendBy('b', { term: 9 }), ticket: 5 }],
    [{ kind: 'requestVote', request: voteBy('b', { term: 9 }), ticket: 5 }],
    [{ kind: 'requestPreVote', request: new RequestPreVoteRequest({ term: 9 }), ticket: 5 }],
    [{ kind: 'installSnapshot', request: new InstallSnapshotRequest({ term: 9 }), ticket: 5 }],
    [{ kind: 'timeoutNow', request: new TimeoutNowRequest(), ticket: 5 }],
  ])('answers no peer: %o', (input) => {
    const node = newNode();
    step(node, { kind: 'shutdown' });
    const out = step(node, input);
    expect(out.list).toEqual([{ kind: 'replyError', ticket: 5, error }]);
    expect([node.role, node.currentTerm]).toEqual([RaftState.Shutdown, 1]);
  });

  it('refuses proposals, and ignores what is left of its past', () => {
    const { node, leadership } = newLeader();
    const peer = peerOf(node, 'b');
    step(node, { kind: 'shutdown' });
    const proposals = [command];
    expect(step(node, { kind: 'propose', proposals }).list).toEqual([
      { kind: 'refuse', proposals, error },
    ]);
    for (const input of [
      { kind: 'timer', timer: 'heartbeat' },
      { kind: 'snapshotRestored' },
      { kind: 'commitAdvanced', leadership },
    ] as const) {
      const out = step(node, input);
      expect([out.list, out.timers]).toEqual([[], []]);
    }
    const beat = { kind: 'peerTimer', leadership, peer, timer: 'beat' } as const;
    expect(stepOfPeer(node, beat).list).toEqual([]);
  });
});

describe('the peer’s lane', () => {
  it('changes neither term, vote, role nor log, whatever it hears', () => {
    const node = newNode();
    const { leadership } = elect(node);
    const own = ({ currentTerm, vote, role, commitIndex, lastApplied }: typeof node) => ({
      ...{ currentTerm, vote, role, commitIndex, lastApplied },
      runs: JSON.stringify(node.terms.runs),
    });
    const before = own(node);
    appended(node, 2);
    const peer = peerOf(node, 'b');
    const known = { leadership: leadershipOf(node), peer, epoch: peer.epoch };
    const out = stepOfPeer(node, { kind: 'sendFailed', ...known, error: new Error('lost') });
    expect(kindsOf(out)).toEqual([]);
    leadership.commitment.match('b', 2);
    expect(own(node)).toEqual(before);
  });
});
