import { describe, expect, it } from 'vitest';
import {
  at,
  beatReplied,
  elect,
  newLeader,
  newNode,
  only,
  peerOf,
  peerTimersOf,
  stand,
  step,
  theOnly,
  timersOf,
} from '../../testing/core-fixture.ts';
import { RaftState } from '../state.ts';
import { Effects } from './effect.ts';
import type { NodeState } from './node.ts';
import type { ReloadedConfig } from './reload-config.ts';
import { setLeader } from './role.ts';

function reload(node: NodeState, changes: Partial<ReloadedConfig>): Effects {
  const { heartbeatTimeoutMs, electionTimeoutMs, trailingLogs } = node.config;
  const config = { heartbeatTimeoutMs, electionTimeoutMs, trailingLogs, ...changes };
  return step(node, { kind: 'reloadConfig', ...config });
}

const shorter = { heartbeatTimeoutMs: 100 };
const longer = { heartbeatTimeoutMs: 1500 };

describe('a shorter heartbeat timeout', () => {
  it('makes a follower look at once, and stand if its leader is silent by it (S9, test 20)', () => {
    const node = newNode();
    step(node, { kind: 'start' });
    setLeader(node, 'b:1', 'b', new Effects());
    node.lastContactMs = 0;
    expect(timersOf(reload(node, shorter))).toEqual(['heartbeat=0']);
    step(node, { kind: 'timer', timer: 'heartbeat' }, 99);
    expect(node).toMatchObject({ role: RaftState.Follower, leaderID: 'b' });
    stand(node, 100);
    expect(node.role).toBe(RaftState.Candidate);
  });

  it('makes a leader beat at once, and at the new interval from then on (S9)', () => {
    const { node, leadership } = newLeader();
    for (const { id } of node.configurations.latest.servers) {
      if (id !== 'a') peerOf(node, id).beating = false;
    }
    const beats = only(reload(node, shorter), 'sendHeartbeat');
    expect(beats.map(({ peer }) => peer.server.id)).toEqual(['b', 'c']);
    const [first] = beats;
    if (first === undefined) throw new Error('no heartbeat');
    expect(peerTimersOf(beatReplied(node, first), first.peer)).toContain('beat=10');
    expect(leadership.peers.size).toBe(2);
  });

  it('gives a candidate a new wait when the election timeout is new too (S9)', () => {
    const node = newNode();
    stand(node);
    expect(timersOf(reload(node, shorter))).toEqual([]);
    const out = reload(node, { heartbeatTimeoutMs: 50, electionTimeoutMs: 300 });
    expect(timersOf(out)).toEqual(['election=300']);
  });

  it('gives a candidate one too when its timer is older than the change before (S9)', () => {
    const node = newNode({ config: { electionTimeoutMs: 9000 } });
    stand(node);
    expect(timersOf(reload(node, { electionTimeoutMs: 300 }))).toEqual([]);
    expect(timersOf(reload(node, shorter))).toEqual(['election=300']);
    expect(timersOf(reload(node, { heartbeatTimeoutMs: 50 }))).toEqual([]);
  });

  it('does not disturb a node that is shut down', () => {
    const node = newNode();
    step(node, { kind: 'shutdown' });
    const out = reload(node, shorter);
    expect([out.list, out.timers]).toEqual([[], []]);
  });
});

describe('any other change', () => {
  it.each<[string, (node: NodeState) => unknown]>([
    ['follower', (node) => step(node, { kind: 'start' })],
    ['candidate', (node) => stand(node)],
    ['leader', (node) => elect(node)],
  ])('waits until a timer of a %s is set anew (S9)', (_role, become) => {
    const node = newNode();
    become(node);
    const out = reload(node, { ...longer, electionTimeoutMs: 9000, trailingLogs: 7 });
    expect([out.list, out.timers]).toEqual([[], []]);
    expect(node.config).toMatchObject({ ...longer, electionTimeoutMs: 9000, trailingLogs: 7 });
  });

  it('counts from the next wait on (S9)', () => {
    const node = newNode();
    step(node, { kind: 'start' });
    node.lastContactMs = 0;
    reload(node, longer);
    expect(timersOf(step(node, { kind: 'timer', timer: 'heartbeat' }, 1499))).toEqual([
      'heartbeat=1',
    ]);
    expect(node.role).toBe(RaftState.Follower);
  });

  it('of the trailing entries counts at the next compaction (S8)', () => {
    const node = newNode({ log: [1, 1, 1, 1, 1, 1], commitIndex: 6 });
    reload(node, { trailingLogs: 1 });
    const taken = { kind: 'snapshotTaken', index: 6, term: 1, durableIndex: 6 } as const;
    expect(theOnly(step(node, taken, at(0).ms), 'compactLog').upTo).toBe(5);
  });
});
