import { describe, expect, it } from 'vitest';
import {
  newLeader,
  newNode,
  peerOf,
  recordingLogger,
  server,
  step,
  timersOf,
  voters,
} from '../../testing/core-fixture.ts';
import { Configuration, ServerSuffrage } from '../configuration.ts';
import { RaftState } from '../state.ts';
import type { NodeState } from './node.ts';

function ring(node: NodeState, ms: number, lateMs = 0) {
  return step(node, { kind: 'timer', timer: 'lease', lateMs }, ms);
}

describe('the lease of a leader', () => {
  it('is looked at again when the oldest contact that counts would run out (S51)', () => {
    const { node } = newLeader({ servers: voters('a', 'b', 'c', 'd', 'e') });
    peerOf(node, 'b').lastContactMs = 900;
    peerOf(node, 'c').lastContactMs = 700;
    const out = ring(node, 1000);
    expect(out.list).toEqual([]);
    expect(timersOf(out)).toEqual(['lease=200']);
    expect(node.role).toBe(RaftState.Leader);
  });

  it('is never looked at more often than every 10 ms (S51)', () => {
    const { node } = newLeader();
    peerOf(node, 'b').lastContactMs = 501;
    expect(timersOf(ring(node, 1000))).toEqual(['lease=10']);
  });

  it('runs out when too few voters answered within it (S51)', () => {
    const { log, lines } = recordingLogger();
    const { node } = newLeader({ logger: log });
    peerOf(node, 'b').lastContactMs = 499;
    peerOf(node, 'c').lastContactMs = 499;
    const out = ring(node, 1000);
    expect(node.role).toBe(RaftState.Follower);
    expect(timersOf(out)).toEqual(['lease=off', 'heartbeat=1000']);
    expect(lines).toContain('warn: failed to contact quorum of nodes, stepping down');
    expect(node.currentTerm).toBe(2);
  });

  it('lasts exactly as long as it is', () => {
    const { node } = newLeader();
    peerOf(node, 'b').lastContactMs = 500;
    ring(node, 1000);
    expect(node.role).toBe(RaftState.Leader);
  });

  it('is not renewed by nonvoters (S51)', () => {
    const servers = [server('a'), server('b'), server('c'), server('n', ServerSuffrage.Nonvoter)];
    const { node } = newLeader({ servers: new Configuration(servers) });
    peerOf(node, 'n').lastContactMs = 1000;
    ring(node, 1000);
    expect(node.role).toBe(RaftState.Follower);
  });

  it('does not count a leader that is no voter any more (S51)', () => {
    const { node } = newLeader({ servers: voters('a', 'b', 'c', 'd') });
    node.configurations.latest = voters('b', 'c', 'd');
    peerOf(node, 'b').lastContactMs = 1000;
    ring(node, 1000);
    expect(node.role).toBe(RaftState.Follower);
  });

  it('of a leader that is alone never runs out', () => {
    const { node } = newLeader({ servers: voters('a') });
    expect(timersOf(ring(node, 100_000))).toEqual(['lease=500']);
    expect(node.role).toBe(RaftState.Leader);
  });

  it('complains of silent servers, ever more quietly (S51)', () => {
    const { log, lines } = recordingLogger();
    const { node } = newLeader({ servers: voters('a', 'b', 'c', 'd', 'e'), logger: log });
    lines.length = 0;
    peerOf(node, 'b').lastContactMs = 2000;
    peerOf(node, 'c').lastContactMs = 2000;
    peerOf(node, 'd').lastContactMs = 500;
    peerOf(node, 'e').lastContactMs = 499;
    ring(node, 2000);
    expect(lines).toEqual(['warn: failed to contact', 'debug: failed to contact']);
  });

  it('is nothing to whoever does not lead', () => {
    const out = ring(newNode(), 1000);
    expect([out.list, out.timers]).toEqual([[], []]);
  });

  it('counts a voter that is not replicated to as silent', () => {
    const { node, leadership } = newLeader();
    peerOf(node, 'c').lastContactMs = 0;
    leadership.peers.delete('b');
    ring(node, 1000);
    expect(node.role).toBe(RaftState.Follower);
  });
});

describe('a leader that was stopped itself (S54)', () => {
  it('asks everybody before it gives up its office', () => {
    const { node } = newLeader();
    const [b, c] = [peerOf(node, 'b'), peerOf(node, 'c')];
    Object.assign(b, { lastContactMs: 100, beating: false });
    Object.assign(c, { lastContactMs: 200, beating: true });
    const out = ring(node, 1300, 700);
    expect(out.list.map(({ kind }) => kind)).toEqual(['sendHeartbeat']);
    expect([b.beating, c.beatWanted]).toEqual([true, true]);
    expect(timersOf(out)).toEqual(['lease=200']);
    expect(node.role).toBe(RaftState.Leader);
  });

  it('keeps it when enough of them answer', () => {
    const { node } = newLeader();
    ring(node, 1300, 800);
    peerOf(node, 'b').lastContactMs = 1300;
    expect(timersOf(ring(node, 1500))).toEqual(['lease=300']);
    expect(node.role).toBe(RaftState.Leader);
  });

  it('loses it when too few answer, also when it was stopped again', () => {
    for (const lateMs of [0, 700]) {
      const { node } = newLeader();
      ring(node, 1300, 800);
      ring(node, 1500 + lateMs, lateMs);
      expect(node.role).toBe(RaftState.Follower);
    }
  });

  it('loses it at once by a silence that is longer than its own', () => {
    const { node } = newLeader();
    ring(node, 1300, 799);
    expect(node.role).toBe(RaftState.Follower);
  });

  it('is no leader whose timer rings a little late', () => {
    const { node } = newLeader();
    ring(node, 509, 9);
    expect(node.role).toBe(RaftState.Follower);
  });

  it('waits for an answer no longer than a lease, and no less than 10 ms', () => {
    for (const [heartbeatTimeoutMs, waitMs] of [
      [60_000, 500],
      [40, 10],
    ] as const) {
      const { node } = newLeader({ config: { heartbeatTimeoutMs, leaderLeaseTimeoutMs: 500 } });
      expect(timersOf(ring(node, 1000, 500))).toEqual([`lease=${waitMs}`]);
    }
  });

  it('does not ask when a quorum was heard in time', () => {
    const { node } = newLeader();
    peerOf(node, 'b').lastContactMs = 900;
    const out = ring(node, 1000, 400);
    expect([out.list, timersOf(out)]).toEqual([[], ['lease=400']]);
  });
});
