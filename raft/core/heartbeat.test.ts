import { describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import {
  beatReplied,
  type EffectOf,
  elect,
  headerOf,
  newNode,
  only,
  peerOf,
  peerTimersOf,
  posted,
  recordingLogger,
  stepOfPeer,
  theOnly,
} from '../../testing/core-fixture.ts';
import { isHeartbeat } from '../messages.ts';
import { RaftState } from '../state.ts';
import type { Effects } from './effect.ts';
import type { NodeState } from './node.ts';
import type { Progress } from './progress.ts';

interface Beating {
  readonly node: NodeState;
  readonly peer: Progress;
  /** The heartbeat to b that is in flight. */
  readonly sent: EffectOf<'sendHeartbeat'>;
  readonly lines: string[];
}

function beating(): Beating {
  const { log, lines } = recordingLogger();
  const node = newNode({ logger: log });
  const { out } = elect(node);
  const peer = peerOf(node, 'b');
  const sent = only(out, 'sendHeartbeat').find((effect) => effect.peer === peer);
  if (sent === undefined) throw new Error('expected a heartbeat to b');
  lines.length = 0;
  return { node, peer, sent, lines };
}

function ring({ node, peer, sent }: Beating): Effects {
  return stepOfPeer(node, { kind: 'peerTimer', leadership: sent.leadership, peer, timer: 'beat' });
}

function fail({ node, peer, sent }: Beating): Effects {
  const { leadership, round } = sent;
  const outcome = { error: new Error('unreachable') };
  const input = { kind: 'heartbeatReply', leadership, peer, round, sentAtMs: 0, outcome } as const;
  return stepOfPeer(node, input);
}

describe('a heartbeat', () => {
  it('carries neither entries nor a commit index, and goes out at once, §5.2 (S80)', () => {
    const { sent } = beating();
    expect(sent.request).toMatchObject({
      rpcHeader: headerOf('a'),
      leader: utf8('a:1'),
      term: 2,
      prevLogEntry: 0,
      prevLogTerm: 0,
      entries: null,
      leaderCommitIndex: 0,
    });
    expect(isHeartbeat(sent.request)).toBe(true);
  });

  it('is followed by the next a tenth of the heartbeat timeout after its answer (S80)', () => {
    const b = beating();
    const out = beatReplied(b.node, b.sent, {}, 30);
    expect(out.list).toEqual([]);
    expect(peerTimersOf(out, b.peer)).toEqual(['beat=100']);
    expect(b.peer).toMatchObject({ lastContactMs: 30, confirmedRound: b.sent.round });
    const next = theOnly(ring(b), 'sendHeartbeat');
    expect(next).toMatchObject({ peer: b.peer, round: 5 });
  });

  it('waits for the one in flight, and then goes out at once', () => {
    const b = beating();
    expect(ring(b).list).toEqual([]);
    const out = beatReplied(b.node, b.sent);
    expect(theOnly(out, 'sendHeartbeat').peer).toBe(b.peer);
    expect(peerTimersOf(out, b.peer)).toEqual([]);
    expect(peerTimersOf(beatReplied(b.node, theOnly(out, 'sendHeartbeat')), b.peer)).toHaveLength(
      1,
    );
  });

  it('that is refused is contact, and confirms nothing (S52)', () => {
    const b = beating();
    const out = beatReplied(b.node, b.sent, { success: false }, 30);
    expect(b.peer).toMatchObject({ lastContactMs: 30, confirmedRound: 0 });
    expect(peerTimersOf(out, b.peer)).toEqual(['beat=100']);
  });

  it('never makes contact older', () => {
    const b = beating();
    b.peer.lastContactMs = 50;
    beatReplied(b.node, b.sent, {}, 30);
    expect(b.peer.lastContactMs).toBe(50);
  });

  it('that meets a newer term ends the leadership, on the main lane (S81)', () => {
    const b = beating();
    const out = beatReplied(b.node, b.sent, { term: 8, success: false });
    expect(out.list).toMatchObject([
      { kind: 'post', input: { kind: 'newerTerm', leadership: b.sent.leadership, term: 8 } },
    ]);
    expect(b.node.role).toBe(RaftState.Leader);
    const done = posted(b.node, out);
    expect(theOnly(done, 'persistHardState')).toMatchObject({ term: 8, vote: null });
    expect(b.node).toMatchObject({ role: RaftState.Follower, currentTerm: 8 });
    expect(b.lines).toContain('warn: new leader elected, stepping down');
  });
});

describe('a heartbeat that fails', () => {
  it('is told each time, and the pause grows up to half the heartbeat timeout (S80)', () => {
    const b = beating();
    const pauses: string[] = [];
    for (let failures = 0; failures < 10; failures += 1) {
      const out = fail(b);
      expect(out.list).toEqual([
        {
          kind: 'observe',
          data: { kind: 'FailedHeartbeatObservation', peerID: 'b', lastContactMs: 0 },
        },
      ]);
      pauses.push(...peerTimersOf(out, b.peer));
      ring(b);
    }
    const delays = [10, 10, 10, 20, 40, 80, 160, 320, 500, 500];
    expect(pauses).toEqual(delays.map((delayMs) => `beat=${delayMs}`));
    expect(b.lines.at(-1)).toBe('error: failed to heartbeat to');
  });

  it('and then works again is told once (S80)', () => {
    const b = beating();
    fail(b);
    const again = theOnly(ring(b), 'sendHeartbeat');
    const resumed = { kind: 'ResumedHeartbeatObservation', peerID: 'b' };
    const out = beatReplied(b.node, again);
    expect(out.list).toEqual([{ kind: 'observe', data: resumed }]);
    const next = theOnly(ring(b), 'sendHeartbeat');
    expect(beatReplied(b.node, next).list).toEqual([]);
  });

  it('lets the one that was wanted meanwhile wait for the end of the pause', () => {
    const b = beating();
    ring(b);
    const out = fail(b);
    expect(only(out, 'sendHeartbeat')).toEqual([]);
    expect(only(ring(b), 'sendHeartbeat')).toHaveLength(1);
    expect(b.peer.beatWanted).toBe(false);
  });
});
