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

/** The timer rings, `lateMs` after it was due. */
function ring(node: NodeState, ms: number, lateMs = 0) {
  if (node.leadership !== null) node.leadership.leaseDueMs = ms - lateMs;
  return step(node, { kind: 'timer', timer: 'lease' }, ms);
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

  it('does not end by the silence of the time in which this node was stopped itself (S54)', () => {
    const { node } = newLeader();
    peerOf(node, 'b').lastContactMs = 100;
    peerOf(node, 'c').lastContactMs = 200;
    const out = ring(node, 1300, 700);
    expect([out.list, timersOf(out)]).toEqual([[], ['lease=100']]);
    expect(node.role).toBe(RaftState.Leader);
  });

  it('ends after such a stop when nobody answers the next question (S54)', () => {
    const { node } = newLeader();
    ring(node, 1300, 800);
    step(node, { kind: 'timer', timer: 'lease' }, 1400);
    expect(node.role).toBe(RaftState.Follower);
  });

  it('ends by a silence that is longer than the stop', () => {
    const { node } = newLeader();
    ring(node, 1300, 799);
    expect(node.role).toBe(RaftState.Follower);
  });

  it('takes a timer that rings a little late for no stop', () => {
    const { node } = newLeader();
    ring(node, 509, 9);
    expect(node.role).toBe(RaftState.Follower);
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
