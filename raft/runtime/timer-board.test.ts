import { describe, expect, it } from 'vitest';
import { VirtualTime } from '../../testing/runtime-fixture.ts';
import { TimerBoard } from './timer-board.ts';

function setUp() {
  const time = new VirtualTime();
  const board = new TimerBoard<string>(time.clock);
  const rung: string[] = [];
  const ring = (what: string) => () => void rung.push(`${what} at ${time.scheduler.nowMs}`);
  return { time, board, rung, ring };
}

describe('a timer', () => {
  it('rings once', async () => {
    const { time, board, rung, ring } = setUp();
    board.set('a', 50, ring('a'));
    await time.pass(49);
    expect(rung).toEqual([]);
    await time.pass(500);
    expect(rung).toEqual(['a at 50']);
  });

  it('can be put off again and again, and rings at its last deadline', async () => {
    const { time, board, rung, ring } = setUp();
    board.set('a', 50, ring('first'));
    for (let i = 0; i < 10; i += 1) {
      await time.pass(20);
      board.set('a', 50, ring('last'));
    }
    await time.pass(500);
    expect(rung).toEqual(['last at 250']);
  });

  it('can be brought forward', async () => {
    const { time, board, rung, ring } = setUp();
    board.set('a', 500, ring('late'));
    board.set('a', 10, ring('soon'));
    await time.pass(1000);
    expect(rung).toEqual(['soon at 10']);
  });

  it('that is cancelled does not ring, and can be set again', async () => {
    const { time, board, rung, ring } = setUp();
    board.set('a', 50, ring('a'));
    board.cancel('a');
    board.cancel('never set');
    await time.pass(100);
    board.set('a', 50, ring('again'));
    await time.pass(100);
    expect(rung).toEqual(['again at 150']);
  });

  it('is no other timer', async () => {
    const { time, board, rung, ring } = setUp();
    board.set('a', 30, ring('a'));
    board.set('b', 20, ring('b'));
    board.cancel('c');
    await time.pass(100);
    expect(rung).toEqual(['b at 20', 'a at 30']);
  });

  it('may set itself when it rings', async () => {
    const { time, board, rung, ring } = setUp();
    const again = (): void => {
      ring('a')();
      if (rung.length < 3) board.set('a', 10, again);
    };
    board.set('a', 10, again);
    await time.pass(100);
    expect(rung).toEqual(['a at 10', 'a at 20', 'a at 30']);
  });
});

describe('after a stall (rule 13)', () => {
  it('a timer that is due waits for what has arrived, and is put off by it (S54)', async () => {
    const { time, board, rung, ring } = setUp();
    board.set('election', 50, ring('election'));
    time.scheduler.schedule(10, () => time.clock.pause());
    time.clock.deliver(30, () => board.set('election', 50, ring('election')));
    time.scheduler.schedule(100, () => time.clock.resume());
    await time.pass(120);
    expect(rung).toEqual([]);
    await time.pass(100);
    expect(rung).toEqual(['election at 150']);
  });

  it('a timer says how late it is', async () => {
    const { time, board } = setUp();
    const late: number[] = [];
    board.set('lease', 50, (lateMs) => late.push(lateMs));
    board.set('other', 200, (lateMs) => late.push(lateMs));
    time.scheduler.schedule(10, () => time.clock.pause());
    time.scheduler.schedule(120, () => time.clock.resume());
    await time.pass(300);
    expect(late).toEqual([70, 0]);
  });

  it('a timer that is due is cancelled by what has arrived', async () => {
    const { time, board, rung, ring } = setUp();
    board.set('election', 50, ring('election'));
    time.scheduler.schedule(10, () => time.clock.pause());
    time.clock.deliver(30, () => board.cancel('election'));
    time.scheduler.schedule(100, () => time.clock.resume());
    await time.pass(500);
    expect(rung).toEqual([]);
  });
});

describe('closing', () => {
  it('cancels every timer, also one that is on its way, and takes no more', async () => {
    const { time, board, rung, ring } = setUp();
    board.set('a', 50, ring('a'));
    board.set('b', 50, ring('b'));
    time.clock.setTimer(50, () => board.close());
    await time.pass(50);
    board.set('c', 10, ring('c'));
    await time.pass(100);
    expect(rung).toEqual([]);
  });
});
