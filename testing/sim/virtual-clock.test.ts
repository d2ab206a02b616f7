import { describe, expect, it } from 'vitest';
import { Scheduler, SimProcess } from './virtual-clock.ts';

function setUp() {
  const scheduler = new Scheduler();
  const seen: string[] = [];
  const see = (what: string) => () => void seen.push(`${scheduler.nowMs} ${what}`);
  const runTo = (untilMs: number) =>
    scheduler.run(
      () => false,
      untilMs,
      () => {},
    );
  return { scheduler, seen, see, runTo };
}

describe('virtual time', () => {
  it('runs events by time, and by insertion when they are due together', async () => {
    const { scheduler, seen, see, runTo } = setUp();
    for (const [delayMs, what] of [
      [5, 'c'],
      [2, 'a'],
      [2, 'b'],
      [9, 'd'],
    ] as const) {
      scheduler.schedule(delayMs, see(what));
    }
    expect(await runTo(8)).toBe(false);
    expect(seen).toEqual(['2 a', '2 b', '5 c']);
    expect(scheduler.nowMs).toBe(8);
  });

  it('keeps the order of many events drawn at random', async () => {
    const { scheduler, runTo } = setUp();
    const times: number[] = [];
    for (let i = 0; i < 500; i += 1) {
      scheduler.schedule((i * 7919) % 101, () => times.push(scheduler.nowMs));
    }
    await runTo(1000);
    expect(times).toHaveLength(500);
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });

  it('follows promises to their end before the next event', async () => {
    const { scheduler, seen, see, runTo } = setUp();
    const process = new SimProcess(scheduler, 'p');
    process.deliver(1, async () => {
      for (let i = 0; i < 50; i += 1) await null;
      see('deep')();
    });
    process.deliver(1, see('next'));
    await runTo(10);
    expect(seen).toEqual(['1 deep', '1 next']);
  });

  it('stops as soon as the condition holds', async () => {
    const { scheduler, seen, see } = setUp();
    scheduler.schedule(1, see('a'));
    scheduler.schedule(2, see('b'));
    expect(
      await scheduler.run(
        () => seen.length === 1,
        10,
        () => {},
      ),
    ).toBe(true);
    expect(seen).toEqual(['1 a']);
  });

  it('does not ring a cancelled timer', async () => {
    const { scheduler, seen, see, runTo } = setUp();
    const process = new SimProcess(scheduler, 'p');
    process.setTimer(3, see('never')).cancel();
    await runTo(10);
    expect(seen).toEqual([]);
  });

  it('lets afterIO wait for everything that is due at the same instant', async () => {
    const { scheduler, seen, see, runTo } = setUp();
    const process = new SimProcess(scheduler, 'p');
    process.deliver(4, () => {
      process.afterIO(see('after'));
      see('timer')();
    });
    process.deliver(4, see('data'));
    await runTo(10);
    expect(seen).toEqual(['4 timer', '4 data', '4 after']);
  });
});

describe('a process', () => {
  it('sees late timers before the data that came while it was stopped', async () => {
    const { scheduler, seen, see, runTo } = setUp();
    const process = new SimProcess(scheduler, 'p');
    process.deliver(2, see('data'));
    process.setTimer(3, see('timer'));
    process.pause();
    scheduler.schedule(7, () => process.resume());
    await runTo(10);
    expect(seen).toEqual(['7 timer', '7 data']);
  });

  it('runs nothing more once it was killed', async () => {
    const { scheduler, seen, see, runTo } = setUp();
    const process = new SimProcess(scheduler, 'p');
    process.setTimer(5, see('timer'));
    process.sleep(6).then(see('sleep'));
    scheduler.schedule(1, () => process.kill());
    await runTo(10);
    expect(seen).toEqual([]);
  });

  it('shows its own monotonic time, and a wall time that moves with it', async () => {
    const { scheduler, runTo } = setUp();
    const process = new SimProcess(scheduler, 'p', 1000);
    const startMs = process.wallTime().getTime();
    await runTo(1500);
    expect(process.monotonicMs()).toBe(2500);
    expect(process.wallTime().getTime() - startMs).toBe(1500);
  });
});
