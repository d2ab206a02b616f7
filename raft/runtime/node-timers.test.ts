import { describe, expect, it } from 'vitest';
import { newLeader, peerOf } from '../../testing/core-fixture.ts';
import { VirtualTime } from '../../testing/runtime-fixture.ts';
import type { MainInput, PeerInput } from '../core/input.ts';
import { NodeTimers } from './node-timers.ts';

function setUp() {
  const time = new VirtualTime();
  const posted: MainInput[] = [];
  const stepped: PeerInput[] = [];
  const post = (input: MainInput): void => void posted.push(input);
  const step = (input: PeerInput): void => void stepped.push(input);
  const timers = new NodeTimers(time.clock, post, step);
  return { time, timers, posted, stepped };
}

describe('a timer that rang', () => {
  it('is believed once', async () => {
    const { time, timers, posted } = setUp();
    timers.request({ timer: 'election', delayMs: 50 });
    expect(timers.takeRing('election')).toBe(false);
    await time.pass(60);
    expect(posted).toEqual([{ kind: 'timer', timer: 'election', lateMs: 0 }]);
    expect([timers.takeRing('election'), timers.takeRing('election')]).toEqual([true, false]);
  });

  it('is not believed any more when it was set anew while its ring lay in the inbox', async () => {
    const { time, timers, posted } = setUp();
    timers.request({ timer: 'heartbeat', delayMs: 50 });
    await time.pass(60);
    timers.request({ timer: 'heartbeat', delayMs: 50 });
    expect(timers.takeRing('heartbeat')).toBe(false);
    await time.pass(60);
    expect([posted.length, timers.takeRing('heartbeat')]).toEqual([2, true]);
  });

  it('is not believed any more when it was cancelled meanwhile', async () => {
    const { time, timers, posted } = setUp();
    timers.request({ timer: 'lease', delayMs: 50 });
    await time.pass(60);
    timers.request({ timer: 'lease', delayMs: null });
    await time.pass(60);
    expect([posted.length, timers.takeRing('lease')]).toEqual([1, false]);
  });

  it('says nothing of another timer', async () => {
    const { time, timers } = setUp();
    timers.request({ timer: 'transfer', delayMs: 50 });
    timers.request({ timer: 'lease', delayMs: 500 });
    await time.pass(60);
    expect([timers.takeRing('lease'), timers.takeRing('transfer')]).toEqual([false, true]);
  });
});

describe('a timer of a peer', () => {
  it('rings on the lane of that peer, each by its name', async () => {
    const { time, timers, posted, stepped } = setUp();
    const { node, leadership } = newLeader();
    const [b, c] = [peerOf(node, 'b'), peerOf(node, 'c')];
    timers.request({ timer: 'beat', delayMs: 10, leadership, peer: b });
    timers.request({ timer: 'commit', delayMs: 20, leadership, peer: b });
    timers.request({ timer: 'beat', delayMs: 30, leadership, peer: c });
    timers.request({ timer: 'retry', delayMs: 40, leadership, peer: c });
    timers.request({ timer: 'retry', delayMs: null, leadership, peer: c });
    await time.pass(100);
    expect(stepped).toEqual([
      { kind: 'peerTimer', leadership, peer: b, timer: 'beat' },
      { kind: 'peerTimer', leadership, peer: b, timer: 'commit' },
      { kind: 'peerTimer', leadership, peer: c, timer: 'beat' },
    ]);
    expect(posted).toEqual([]);
  });

  it('rings no more once they are closed', async () => {
    const { time, timers, posted, stepped } = setUp();
    const { node, leadership } = newLeader();
    timers.request({ timer: 'beat', delayMs: 10, leadership, peer: peerOf(node, 'b') });
    timers.request({ timer: 'election', delayMs: 10 });
    timers.close();
    await time.pass(100);
    expect([posted, stepped]).toEqual([[], []]);
  });
});
