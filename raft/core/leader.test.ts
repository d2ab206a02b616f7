import { describe, expect, it } from 'vitest';
import {
  at,
  command,
  elect,
  kindsOf,
  leadershipOf,
  newLeader,
  newNode,
  only,
  peerOf,
  peerTimersOf,
  server,
  step,
  stepOfPeer,
  theOnly,
  timersOf,
  voteBy,
  voters,
} from '../../testing/core-fixture.ts';
import { Configuration, ConfigurationChangeCommand, ServerSuffrage } from '../configuration.ts';
import { ErrLeadershipLost } from '../errors.ts';
import { LogType } from '../log.ts';
import { RaftState } from '../state.ts';
import { Effects } from './effect.ts';
import { leaveOffice } from './leader.ts';
import { becomeFollower } from './role.ts';

describe('a node that takes office', () => {
  it('says so, greets every server, and appends an entry of its term (S44, S46, S47)', () => {
    const servers = [server('a'), server('b'), server('n', ServerSuffrage.Nonvoter)];
    const node = newNode({ servers: new Configuration(servers), log: [1, 1] });
    const { out, leadership } = elect(node);
    const noop = { index: 3, term: 2, type: LogType.LogNoop, data: null, extensions: null };
    const b = peerOf(node, 'b');
    const n = peerOf(node, 'n');
    const append = { epoch: 0, prevIndex: 2, prevTerm: 1, first: 3, last: 3, commitIndex: 0 };
    expect(out.list.slice(2)).toMatchObject([
      { kind: 'leadership', isLeader: true },
      { kind: 'observe', data: { kind: 'PeerObservation', removed: false, peer: servers[1] } },
      { kind: 'sendHeartbeat', peer: b, round: 1 },
      { kind: 'observe', data: { kind: 'PeerObservation', removed: false, peer: servers[2] } },
      { kind: 'sendHeartbeat', peer: n, round: 2 },
      { kind: 'startAppend', leadership, entries: [noop], proposals: [] },
      { kind: 'sendAppend', peer: b, round: 3, pipelined: false, ...append },
      { kind: 'sendAppend', peer: n, round: 4, pipelined: false, ...append },
    ]);
    expect(timersOf(out)).toEqual(['election=off', 'lease=500']);
    expect(peerTimersOf(out, b)).toEqual(['commit=50']);
  });

  it('commits nothing before an entry of its own term (S45)', () => {
    const node = newNode({ log: [1, 1, 1] });
    const { leadership } = elect(node);
    expect(leadership.commitment.startIndex).toBe(4);
    expect(leadership.commitment.match('a', 3)).toBe(false);
    expect(leadership.commitment.match('b', 3)).toBe(false);
  });

  it('starts behind its snapshot when it has no log (S45)', () => {
    const node = newNode({ log: [], snapshot: { index: 7, term: 1 } });
    const { out } = elect(node);
    expect(theOnly(out, 'startAppend').entries[0]?.index).toBe(8);
    const first = only(out, 'sendAppend')[0];
    expect(first).toMatchObject({ prevIndex: 7, prevTerm: 1, first: 8, last: 8 });
  });

  it('gives everybody a whole lease to answer (S47)', () => {
    const { node } = newLeader();
    expect(peerOf(node, 'b').lastContactMs).toBe(0);
  });
});

describe('a node that leaves office', () => {
  it('tells everybody who waits, in order, and then the world (S49)', () => {
    const { node, leadership } = newLeader({ commitIndex: 1 });
    step(node, { kind: 'propose', proposals: [command] });
    step(node, { kind: 'verify', ticket: 11 });
    step(node, { kind: 'readIndex', ticket: 12 });
    step(node, { kind: 'transfer', target: { id: 'b', address: 'b:1' }, ticket: 13 });
    const peers = [peerOf(node, 'b'), peerOf(node, 'c')];
    const out = new Effects();
    becomeFollower(node, at(70), out);
    const error = ErrLeadershipLost;
    expect(out.list.slice(0, 7)).toEqual([
      { kind: 'stopPeer', peer: peers[0] },
      { kind: 'stopPeer', peer: peers[1] },
      { kind: 'failInFlight', after: 1, error },
      { kind: 'settleError', ticket: 11, error },
      { kind: 'settleError', ticket: 12, error },
      { kind: 'settle', ticket: 13, value: undefined },
      { kind: 'leadership', isLeader: false },
    ]);
    expect(timersOf(out)).toEqual(['lease=off', 'transfer=off', 'heartbeat=1000']);
    expect(node).toMatchObject({ leadership: null, lastContactMs: 70 });
    expect(stepOfPeer(node, { kind: 'appended', leadership, index: 9 }).list).toEqual([]);
  });

  it('stops those that are leaving too', () => {
    const { node } = newLeader({ commitIndex: 1 });
    const b = peerOf(node, 'b');
    node.commitIndex = 2;
    step(node, {
      kind: 'changeConfiguration',
      ticket: 1,
      change: {
        command: ConfigurationChangeCommand.RemoveServer,
        serverID: 'b',
        serverAddress: '',
        prevIndex: 0,
      },
    });
    const newer = { term: 9, lastLogIndex: 9, lastLogTerm: 9, leadershipTransfer: true };
    const out = step(node, { kind: 'requestVote', request: voteBy('c', newer), ticket: 2 });
    expect(only(out, 'stopPeer').map(({ peer }) => peer)).toContain(b);
  });

  it('has nothing to leave when it holds none', () => {
    const out = new Effects();
    leaveOffice(newNode(), at(0), out);
    expect([out.list, out.timers]).toEqual([[], []]);
  });
});

describe('a later leadership', () => {
  it('hears nothing of an earlier one (S50)', () => {
    const node = newNode({ servers: voters('a', 'b') });
    const { leadership: first } = elect(node);
    becomeFollower(node, at(0), new Effects());
    const { leadership: second } = elect(node, 5000);
    expect(leadershipOf(node)).toBe(second);
    expect(second).not.toBe(first);
    stepOfPeer(node, { kind: 'appended', leadership: first, index: 99 });
    expect(second.commitment.matchIndexOf('a')).toBe(0);
    const late = step(node, { kind: 'newerTerm', leadership: first, term: 99 });
    expect(kindsOf(late)).toEqual([]);
    expect(kindsOf(step(node, { kind: 'commitAdvanced', leadership: first }))).toEqual([]);
    expect(node.role).toBe(RaftState.Leader);
  });
});
