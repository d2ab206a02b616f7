import { describe, expect, it } from 'vitest';
import { clampDelayMs, MAX_TIMER_DELAY_MS, systemClock } from './clock.ts';

describe('clampDelayMs', () => {
  it.each([
    [-5, 1],
    [0, 1],
    [0.2, 1],
    [7.5, 7.5],
    [2 ** 31 - 1, MAX_TIMER_DELAY_MS],
    [2 ** 31, MAX_TIMER_DELAY_MS],
    [Number.POSITIVE_INFINITY, MAX_TIMER_DELAY_MS],
  ])('makes %f ms a delay that setTimeout can count: %f ms (S25)', (delay, clamped) => {
    expect(clampDelayMs(delay)).toBe(clamped);
  });
});

describe('systemClock', () => {
  it('goes forward, and knows the time of day', async () => {
    const before = systemClock.monotonicMs();
    const wall = systemClock.wallTime();
    await new Promise((resolve) => systemClock.setTimer(2, () => resolve(undefined)));
    expect(systemClock.monotonicMs()).toBeGreaterThan(before);
    expect(Math.abs(wall.getTime() - Date.now())).toBeLessThan(60_000);
    expect(wall.nanoseconds).toBe(wall.getMilliseconds() * 1e6);
  });

  it('rings once, and not at all when it was cancelled', async () => {
    const rung: string[] = [];
    const timer = systemClock.setTimer(1, () => rung.push('once'));
    const cancelled = systemClock.setTimer(1, () => rung.push('cancelled'));
    cancelled.cancel();
    await new Promise((resolve) => systemClock.setTimer(30, () => resolve(undefined)));
    timer.cancel();
    expect(rung).toEqual(['once']);
  });

  it('does not ring at once when the delay is longer than it can count (S25)', async () => {
    let rung = false;
    const timer = systemClock.setTimer(2 ** 40, () => {
      rung = true;
    });
    await new Promise((resolve) => systemClock.setTimer(20, () => resolve(undefined)));
    timer.cancel();
    expect(rung).toBe(false);
  });

  it('resumes after what was scheduled before', async () => {
    const order: string[] = [];
    await new Promise((resolve) => {
      systemClock.afterIO(() => {
        order.push('resumed');
        resolve(undefined);
      });
      queueMicrotask(() => order.push('microtask'));
    });
    expect(order).toEqual(['microtask', 'resumed']);
  });
});
