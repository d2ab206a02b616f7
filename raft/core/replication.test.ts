import { describe, expect, it } from 'vitest';
import {
  appendReplied,
  command,
  type EffectOf,
  elect,
  kindsOf,
  newLeader,
  newNode,
  only,
  peerOf,
  peerTimersOf,
  recordingLogger,
  sent,
  step,
  stepOfPeer,
  theOnly,
} from '../../testing/core-fixture.ts';
import { InstallSnapshotResponse } from '../messages.ts';
import type { Effects } from './effect.ts';
import type { NodeState } from './node.ts';
import type { Progress } from './progress.ts';
import { MAX_IN_FLIGHT } from './replication.ts';

/** A leader of {a, b, c} whose first request to b is on its way: its no-op, behind `log`. */
function leader(options: Parameters<typeof newNode>[0] = {}) {
  const { log, lines } = recordingLogger();
  const node = newNode({ logger: log, ...options });
  const { out, leadership } = elect(node);
  const peer = peerOf(node, 'b');
  const first = to(out, peer);
  sent(node, first);
  lines.length = 0;
  return { node, leadership, peer, first, lines };
}

/** The request to one peer. */
function to(out: Effects, peer: Progress): EffectOf<'sendAppend'> {
  const found = only(out, 'sendAppend').filter((effect) => effect.peer === peer);
  if (found[0] === undefined || found.length > 1)
    throw new Error(`expected one, got ${found.length}`);
  return found[0];
}

function propose(node: NodeState, count = 1): Effects {
  return step(node, { kind: 'propose', proposals: new Array(count).fill(command) });
}

/** A leader whose peer b has acknowledged the no-op, so that it pipelines. */
function pipelining(options: Parameters<typeof newNode>[0] = {}) {
  const all = leader(options);
  appendReplied(all.node, all.first, {});
  return all;
}

describe('a peer that is being probed', () => {
  it('is sent one request at a time (S76)', () => {
    const { node, peer } = leader();
    expect(peer).toMatchObject({ state: 'probe', inFlight: 1, nextIndex: 2, sendIndex: 3 });
    expect(only(propose(node), 'sendAppend')).toEqual([]);
  });

  it('that accepts is sent ahead of its answers from then on (S76, S82)', () => {
    const { node, peer, first } = leader();
    const out = appendReplied(node, first, {}, 20);
    expect(out.list).toEqual([]);
    expect(peer).toMatchObject({ state: 'pipeline', matchIndex: 2, nextIndex: 3, inFlight: 0 });
    expect(peer).toMatchObject({ lastContactMs: 20, confirmedRound: first.round });
    const one = to(propose(node), peer);
    expect(one).toMatchObject({ prevIndex: 2, prevTerm: 2, first: 3, last: 3, pipelined: true });
    sent(node, one);
    const two = to(propose(node), peer);
    expect(two).toMatchObject({ prevIndex: 3, first: 4, last: 4, pipelined: true });
  });

  it('gets no more entries at once than the config says (S56, S77)', () => {
    const { node, peer, first } = leader({ log: [1, 1, 1, 1, 1, 1, 1, 1] });
    const out = appendReplied(node, first, { success: false, lastLog: 0, noRetryBackoff: true });
    const second = to(out, peer);
    expect(second).toMatchObject({ prevIndex: 0, prevTerm: 0, first: 1, last: 4 });
    sent(node, second);
    expect(to(appendReplied(node, second, {}), peer)).toMatchObject({
      prevIndex: 4,
      first: 5,
      last: 8,
    });
  });

  it('may have been sent fewer entries than were asked for', () => {
    const { node, peer, leadership } = pipelining();
    const asked = to(propose(node, 3), peer);
    const { epoch } = asked;
    stepOfPeer(node, { kind: 'appendSent', leadership, peer, epoch, count: 2 });
    const out = stepOfPeer(node, { kind: 'senderReady', leadership, peer, epoch });
    expect(to(out, peer)).toMatchObject({ prevIndex: 4, first: 5, last: 5 });
  });
});

describe('a peer that refuses', () => {
  const long = { log: [1, 1, 1, 1, 1, 1] };

  it.each([
    ['one entry back when its log is longer', 9, 6],
    ['to the end of its log when that is shorter', 3, 4],
    ['to the beginning when it has nothing', 0, 1],
  ])('is sent older entries at once: %s (S75)', (_what, lastLog, next) => {
    const { node, peer, first, lines } = leader(long);
    const out = appendReplied(node, first, { success: false, lastLog, noRetryBackoff: true });
    expect(to(out, peer)).toMatchObject({ first: next, prevIndex: next - 1, epoch: 1 });
    expect(peer).toMatchObject({ nextIndex: next, failures: 0, matchIndex: 0, confirmedRound: 0 });
    expect(lines).toEqual(['warn: appendEntries rejected, sending older logs']);
  });

  it('because it is in trouble is given a pause (S75)', () => {
    const { node, peer, first } = leader(long);
    const out = appendReplied(node, first, { success: false, lastLog: 3 });
    expect(out.list).toEqual([]);
    expect(peerTimersOf(out, peer)).toEqual(['retry=10']);
    expect(peer).toMatchObject({ pausing: true, failures: 1, nextIndex: 4 });
  });

  it('never gets below the first entry (S75)', () => {
    const { node, peer, first } = leader({ log: [1] });
    const again = to(
      appendReplied(node, first, { success: false, lastLog: 0, noRetryBackoff: true }),
      peer,
    );
    expect(again).toMatchObject({ prevIndex: 0, first: 1 });
    sent(node, again);
    const out = appendReplied(node, again, { success: false, lastLog: 0, noRetryBackoff: true });
    expect(to(out, peer)).toMatchObject({ prevIndex: 0, first: 1 });
  });

  it('while it is sent ahead ends that: what else is in flight means nothing (S82)', () => {
    const { node, peer } = pipelining();
    const one = to(propose(node), peer);
    sent(node, one);
    const two = to(propose(node), peer);
    sent(node, two);
    const out = appendReplied(node, one, { success: false, lastLog: 1, noRetryBackoff: true });
    expect(kindsOf(out)).toEqual(['closePipeline', 'sendAppend']);
    expect(to(out, peer)).toMatchObject({ first: 2, epoch: 1, pipelined: false });
    expect(appendReplied(node, two, {}, 60).list).toEqual([]);
    expect(peer).toMatchObject({ inFlight: 0, matchIndex: 2, nextIndex: 2, lastContactMs: 60 });
  });
});

describe('a peer that knows of a newer term', () => {
  it('ends the leadership on the main lane, even by an answer that is stale (S74)', () => {
    const { node, leadership, first } = leader();
    const input = { kind: 'newerTerm', leadership, term: 7 };
    const newer = { success: false, term: 7 };
    expect(appendReplied(node, first, newer).list).toEqual([{ kind: 'post', input }]);
    expect(appendReplied(node, { ...first, epoch: -1 }, newer).list).toEqual([
      { kind: 'post', input },
    ]);
  });
});

describe('a peer that cannot be reached', () => {
  const lost = { error: new Error('unreachable') };

  function failing(node: NodeState, request: EffectOf<'sendAppend'>): Effects {
    const { leadership, peer, epoch, round, prevIndex } = request;
    const input = { kind: 'appendReply', leadership, peer, epoch, round, prevIndex } as const;
    const more = { count: 1, commitIndex: 0, sentAtMs: 90, outcome: lost };
    return stepOfPeer(node, { ...input, ...more });
  }

  function retried(node: NodeState, peer: Progress, out: Effects): EffectOf<'sendAppend'> {
    expect(out.list.filter(({ kind }) => kind !== 'closePipeline')).toEqual([]);
    const { leadership } = out.timers.flatMap((t) => ('peer' in t ? [t] : []))[0] ?? {};
    if (leadership === undefined) throw new Error('expected a timer');
    return to(stepOfPeer(node, { kind: 'peerTimer', leadership, peer, timer: 'retry' }), peer);
  }

  it('is tried again after pauses that double, up to ten seconds (S52, S73)', () => {
    const { node, peer, first } = leader();
    const pauses: string[] = [];
    let request = first;
    for (let failures = 0; failures < 14; failures += 1) {
      const out = failing(node, request);
      pauses.push(...peerTimersOf(out, peer));
      request = retried(node, peer, out);
      sent(node, request);
    }
    const delays = [10, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10_240, 10_240, 10_240];
    expect(pauses).toEqual(delays.map((delayMs) => `retry=${delayMs}`));
    expect(peer.lastContactMs).toBe(0);
    appendReplied(node, request, {});
    expect(peer).toMatchObject({ failures: 0, state: 'pipeline', matchIndex: 2 });
  });

  it('is sent nothing during the pause (S73)', () => {
    const { node, leadership, peer, first } = leader();
    failing(node, first);
    expect(only(propose(node), 'sendAppend').map((effect) => effect.peer)).not.toContain(peer);
    const commit = { kind: 'peerTimer', leadership, peer, timer: 'commit' } as const;
    expect(stepOfPeer(node, commit).list).toEqual([]);
  });

  it('while it was sent ahead starts again at what it acknowledged (S82)', () => {
    const { node, peer } = pipelining();
    const one = to(propose(node), peer);
    sent(node, one);
    sent(node, to(propose(node), peer));
    const out = failing(node, one);
    expect(kindsOf(out)).toEqual(['closePipeline']);
    expect(retried(node, peer, out)).toMatchObject({
      first: 3,
      last: 4,
      epoch: 1,
      pipelined: false,
    });
    expect(failing(node, one)).toMatchObject({ list: [], timers: [] });
  });

  it('when a request could not even be made is the same', () => {
    const { node, leadership, peer } = pipelining();
    const request = to(propose(node), peer);
    const failed = { kind: 'sendFailed', leadership, peer, epoch: 0, error: lost.error } as const;
    const out = stepOfPeer(node, failed);
    expect(peerTimersOf(out, peer)).toEqual(['retry=10']);
    expect(retried(node, peer, out)).toMatchObject({ first: request.first, epoch: 1 });
    expect(stepOfPeer(node, failed)).toMatchObject({ list: [], timers: [] });
  });
});

describe('a peer whose sender is busy', () => {
  it('gets the rest as soon as the sender is ready, and stale words of it are ignored', () => {
    const { node, leadership, peer } = pipelining();
    const one = to(propose(node), peer);
    expect(only(propose(node, 2), 'sendAppend').filter((e) => e.peer === peer)).toEqual([]);
    const out = sent(node, one);
    expect(to(out, peer)).toMatchObject({ first: 4, last: 5 });
    const stale = { leadership, peer, epoch: -1 };
    stepOfPeer(node, { kind: 'appendSent', ...stale, count: 9 });
    expect(peer).toMatchObject({ inFlight: 1, sendIndex: 4, sending: true });
    expect(stepOfPeer(node, { kind: 'senderReady', ...stale }).list).toEqual([]);
    expect(stepOfPeer(node, { kind: 'entriesUnavailable', ...stale }).list).toEqual([]);
  });

  it('never has more in flight than the window', () => {
    const { node, peer } = pipelining();
    for (let i = 0; i < MAX_IN_FLIGHT; i += 1) sent(node, to(propose(node), peer));
    expect(peer.inFlight).toBe(MAX_IN_FLIGHT);
    expect(only(propose(node), 'sendAppend').filter((e) => e.peer === peer)).toEqual([]);
  });

  it('that cannot pipeline goes on one at a time (S84)', () => {
    const { node, leadership, peer } = pipelining();
    stepOfPeer(node, { kind: 'pipelineUnsupported', leadership, peer });
    const one = to(propose(node), peer);
    expect(one.pipelined).toBe(false);
    sent(node, one);
    expect(only(propose(node), 'sendAppend').filter((e) => e.peer === peer)).toEqual([]);
    expect(to(appendReplied(node, one, {}), peer)).toMatchObject({ first: 4, pipelined: false });
  });
});

describe('a peer that has everything', () => {
  it('hears of the commit index when the commit timer rings, with no entries (S71)', () => {
    const { node, leadership, peer } = pipelining();
    node.commitIndex = 2;
    node.lastApplied = 2;
    const ring = { kind: 'peerTimer', leadership, peer, timer: 'commit' } as const;
    const out = stepOfPeer(node, ring);
    expect(to(out, peer)).toMatchObject({ prevIndex: 2, first: 3, last: 2, commitIndex: 2 });
    expect(peerTimersOf(out, peer).at(-1)).toBe('commit=50');
    sent(node, to(out, peer));
    const again = stepOfPeer(node, ring);
    expect([again.list, peerTimersOf(again, peer)]).toEqual([[], ['commit=50']]);
    const before = { matchIndex: peer.matchIndex, nextIndex: peer.nextIndex };
    expect(only(appendReplied(node, to(out, peer), {}), 'sendAppend')).toHaveLength(1);
    expect(peer).toMatchObject(before);
  });
});

describe('a peer that needs what is gone (§7)', () => {
  const compacted = { log: [1, 1], first: 6, snapshot: { index: 5, term: 1 } };

  function snapshotting() {
    const all = leader(compacted);
    const refusal = { success: false, lastLog: 2, noRetryBackoff: true };
    const effect = theOnly(appendReplied(all.node, all.first, refusal), 'sendSnapshot');
    return { ...all, effect };
  }

  function replied(node: NodeState, effect: EffectOf<'sendSnapshot'>, fields: object, index = 5) {
    const { leadership, peer, epoch, round } = effect;
    const reply = new InstallSnapshotResponse({ term: 2, success: true, ...fields });
    const input = { kind: 'snapshotReply', leadership, peer, epoch, round, index } as const;
    return stepOfPeer(node, { ...input, sentAtMs: 33, outcome: { reply } });
  }

  it('is sent the snapshot, and nothing else meanwhile (S79)', () => {
    const { node, leadership, peer, effect } = snapshotting();
    expect(effect).toMatchObject({ peer, epoch: 2, round: leadership.round });
    expect(peer.state).toBe('snapshot');
    expect(only(propose(node), 'sendAppend').map((e) => e.peer)).not.toContain(peer);
    const ring = { kind: 'peerTimer', leadership, peer, timer: 'commit' } as const;
    expect(stepOfPeer(node, ring).list).toEqual([]);
  });

  it('goes on behind the snapshot (S77, S79)', () => {
    const { node, peer, effect } = snapshotting();
    const out = replied(node, effect, {});
    expect(to(out, peer)).toMatchObject({
      prevIndex: 5,
      prevTerm: 1,
      first: 6,
      last: 8,
      pipelined: false,
    });
    expect(peer).toMatchObject({ matchIndex: 5, state: 'probe', lastContactMs: 33 });
    expect(peer.confirmedRound).toBe(effect.round);
    expect(replied(node, { ...effect, epoch: 1 }, {}).list).toEqual([]);
  });

  it('that refuses the snapshot is given a pause and then gets it again (S79)', () => {
    const { node, leadership, peer, effect } = snapshotting();
    const out = replied(node, effect, { success: false });
    expect([out.list, peerTimersOf(out, peer)]).toEqual([[], ['retry=10']]);
    const retry = { kind: 'peerTimer', leadership, peer, timer: 'retry' } as const;
    expect(kindsOf(stepOfPeer(node, retry))).toEqual(['sendSnapshot']);
  });

  it('that cannot be reached is given a pause (S79)', () => {
    const { node, leadership, peer, effect, lines } = snapshotting();
    const { epoch, round } = effect;
    const input = { kind: 'snapshotReply', leadership, peer, epoch, round, index: 5 } as const;
    const outcome = { error: new Error('unreachable') };
    const out = stepOfPeer(node, { ...input, sentAtMs: 33, outcome });
    expect([out.list, peerTimersOf(out, peer)]).toEqual([[], ['retry=10']]);
    expect(peer.lastContactMs).toBe(0);
    expect(lines.at(-1)).toBe('error: failed to send snapshot to');
  });

  it('that knows of a newer term ends the leadership', () => {
    const { node, leadership, effect } = snapshotting();
    const input = { kind: 'newerTerm', leadership, term: 7 };
    expect(replied(node, effect, { term: 7, success: false }).list).toEqual([
      { kind: 'post', input },
    ]);
  });

  it('because the store has lost it meanwhile is sent the snapshot too (S77)', () => {
    const { node, leadership, peer, first } = leader();
    const gone = { kind: 'entriesUnavailable', leadership, peer, epoch: first.epoch } as const;
    const out = stepOfPeer(node, gone);
    expect(out.list).toMatchObject([{ kind: 'sendSnapshot', peer, epoch: 1 }]);
  });

  it('is found out at once when it needs the very entry that was forgotten', () => {
    const { node, first, peer } = leader(compacted);
    const refusal = { success: false, lastLog: 5, noRetryBackoff: true };
    expect(to(appendReplied(node, first, refusal), peer)).toMatchObject({ prevIndex: 5, first: 6 });
  });
});

describe('a majority', () => {
  it('that holds an entry on disk commits it, on the main lane', () => {
    const { node, leadership, first } = leader();
    expect(appendReplied(node, first, {}).list).toEqual([]);
    const out = stepOfPeer(node, { kind: 'appended', leadership, index: 2 });
    expect(out.list).toEqual([{ kind: 'post', input: { kind: 'commitAdvanced', leadership } }]);
    expect(node.commitIndex).toBe(0);
  });

  it('does not count an answer to an empty request (S87)', () => {
    const { node, leadership, peer, first } = leader();
    stepOfPeer(node, { kind: 'appended', leadership, index: 2 });
    appendReplied(node, { ...first, last: first.first - 1 }, {});
    expect(leadership.commitment.matchIndexOf('b')).toBe(0);
    expect(peer.matchIndex).toBe(0);
  });
});

describe('whoever is not in office', () => {
  it('takes no word of a peer', () => {
    const { node, leadership } = newLeader();
    const peer = peerOf(node, 'b');
    node.leadership = null;
    const before = { ...peer };
    for (const timer of ['beat', 'commit', 'retry'] as const) {
      const out = stepOfPeer(node, { kind: 'peerTimer', leadership, peer, timer });
      expect([out.list, out.timers]).toEqual([[], []]);
    }
    stepOfPeer(node, { kind: 'appendSent', leadership, peer, epoch: 0, count: 1 });
    expect(peer).toEqual(before);
  });
});
