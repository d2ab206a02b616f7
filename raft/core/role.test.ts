import { describe, expect, it } from 'vitest';
import {
  at,
  candidacyOf,
  elect,
  kindsOf,
  newNode,
  only,
  recordingLogger,
  stand,
  step,
  timersOf,
} from '../../testing/core-fixture.ts';
import { TimeoutNowRequest } from '../messages.ts';
import { RaftState } from '../state.ts';
import { Effects } from './effect.ts';
import { checkInvariants, type NodeState } from './node.ts';
import { becomeCandidate, becomeFollower, becomeShutdown, setLeader } from './role.ts';

function performing(change: (out: Effects) => void): Effects {
  const out = new Effects();
  change(out);
  return out;
}

function leader(): NodeState {
  const node = newNode();
  elect(node);
  return node;
}

describe('setLeader', () => {
  it('tells observers what is new and nothing else (S155)', () => {
    const node = newNode();
    expect(performing((out) => setLeader(node, 'b:1', 'b', out)).list).toEqual([
      {
        kind: 'observe',
        data: { kind: 'LeaderObservation', leader: 'b:1', leaderAddr: 'b:1', leaderID: 'b' },
      },
    ]);
    expect(performing((out) => setLeader(node, 'b:1', 'b', out)).list).toEqual([]);
    expect(performing((out) => setLeader(node, 'b:1', 'other', out)).list).toHaveLength(1);
    expect(performing((out) => setLeader(node, 'b:2', 'other', out)).list).toHaveLength(1);
  });
});

describe('becoming a follower', () => {
  it('only forgets the leader when it is one already (S102)', () => {
    const node = newNode();
    setLeader(node, 'b:1', 'b', new Effects());
    const out = performing((effects) => becomeFollower(node, at(5), effects));
    expect(out.list).toMatchObject([{ data: { kind: 'LeaderObservation', leaderAddr: '' } }]);
    expect(out.timers).toEqual([]);
  });

  it('ends a candidacy and listens (S28)', () => {
    const said: unknown[] = [];
    const info = (fields: object, text: string) => void said.push([text, fields]);
    const node = newNode({ logger: { ...recordingLogger().log, info } });
    stand(node);
    const out = performing((effects) => becomeFollower(node, at(5), effects));
    expect(timersOf(out)).toEqual(['election=off', 'heartbeat=1000']);
    const follower = 'Node at a:1 [Follower]';
    const keys = { follower, 'leader-address': '', 'leader-id': '' };
    expect(said.at(-1)).toEqual(['entering follower state', keys]);
    expect(out.notes).toContainEqual(expect.objectContaining({ metric: 'raft.state.follower' }));
    expect(() => checkInvariants(node)).not.toThrow();
  });

  it('ends a leadership, which counts as contact with a leader (S27)', () => {
    const node = leader();
    const out = performing((effects) => becomeFollower(node, at(5), effects));
    expect(kindsOf(out)).toEqual([
      'stopPeer',
      'stopPeer',
      'failInFlight',
      'leadership',
      'observe',
      'observe',
    ]);
    expect(only(out, 'observe').map(({ data }) => data.kind)).toEqual([
      'LeaderObservation',
      'RaftState',
    ]);
    expect(timersOf(out)).toEqual(['lease=off', 'heartbeat=1000']);
    expect(node).toMatchObject({ lastContactMs: 5, leadership: null, leaderAddress: '' });
  });
});

describe('becoming a candidate', () => {
  it('as a leader ends the leadership first', () => {
    const node = leader();
    const out = performing((effects) => becomeCandidate(node, true, at(5), effects));
    expect(timersOf(out)).toEqual(['lease=off', 'heartbeat=off']);
    expect(node).toMatchObject({ leadership: null, candidateFromTransfer: true });
    expect(() => checkInvariants(node)).not.toThrow();
  });

  it('once more is another candidacy', () => {
    const node = newNode();
    stand(node);
    const before = candidacyOf(node);
    const out = performing((effects) => becomeCandidate(node, false, at(5), effects));
    expect(candidacyOf(node)).not.toBe(before);
    expect(out.list).toEqual([]);
  });
});

describe('shutting down', () => {
  it.each<[string, () => NodeState, string[]]>([
    ['a follower', () => newNode(), ['heartbeat=off']],
    [
      'a candidate',
      () => {
        const node = newNode();
        stand(node);
        return node;
      },
      ['election=off', 'heartbeat=off'],
    ],
    ['a leader', leader, ['lease=off', 'heartbeat=off']],
  ])('as %s leaves no timer', (_what, make, timers) => {
    const node = make();
    const out = performing((effects) => becomeShutdown(node, at(5), effects));
    expect(timersOf(out)).toEqual(timers);
    expect(out.list.at(-1)).toMatchObject({
      data: { kind: 'RaftState', state: RaftState.Shutdown },
    });
    expect(() => checkInvariants(node)).not.toThrow();
  });

  it('is final (S162)', () => {
    const node = newNode();
    becomeShutdown(node, at(5), new Effects());
    const out = performing((effects) => {
      becomeFollower(node, at(6), effects);
      becomeShutdown(node, at(6), effects);
    });
    expect([out.list, out.timers]).toEqual([[], []]);
    step(node, { kind: 'timeoutNow', request: new TimeoutNowRequest(), ticket: 1 });
    expect(node.role).toBe(RaftState.Shutdown);
  });
});
