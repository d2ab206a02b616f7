import { describe, expect, it } from 'vitest';
import { Saturation } from './saturation.ts';

/** A lane, driven by "sleep", "work" and milliseconds that pass. */
function reportsOf(intervalMs: number, ...steps: ('sleep' | 'work' | number)[]): number[] {
  let nowMs = 1000;
  const reports: number[] = [];
  const lane = new Saturation(
    intervalMs,
    () => nowMs,
    (share) => reports.push(share),
  );
  for (const step of steps) {
    if (step === 'sleep') lane.sleeping();
    else if (step === 'work') lane.working();
    else nowMs += step;
  }
  return reports;
}

describe('saturation', () => {
  it('is the share of the time that was worked, to two digits (S197, test 153)', () => {
    expect(reportsOf(100, 'sleep', 50, 'work', 75, 'sleep')).toEqual([0.6]);
    expect(reportsOf(100, 'sleep', 90, 'work', 10, 'sleep')).toEqual([0.1]);
    expect(reportsOf(100, 'sleep', 100, 'work')).toEqual([0]);
    expect(reportsOf(100, 'sleep', 200, 'work', 100, 'sleep')).toEqual([0, 1]);
    expect(reportsOf(300, 'sleep', 200, 'work', 100, 'sleep')).toEqual([0.33]);
  });

  it('starts anew with each report (S197, test 153)', () => {
    const first = ['sleep', 50, 'work', 75, 'sleep'] as const;
    const second = [90, 'work', 10, 'sleep'] as const;
    const third = [100, 'work'] as const;
    expect(reportsOf(100, ...first, ...second, ...third)).toEqual([0.6, 0.1, 0]);
  });

  it('leaves out the time in which the lane said it waits twice (S197, test 154)', () => {
    const steps = ['sleep', 10, 'work', 10, 'sleep', 10, 'sleep', 10, 'work', 10, 'sleep'] as const;
    expect(reportsOf(50, ...steps)).toEqual([0.5]);
  });

  it('leaves out the time in which the lane said it works twice (S197, test 154)', () => {
    expect(reportsOf(30, 'sleep', 10, 'work', 10, 'work', 10, 'sleep')).toEqual([0.5]);
  });

  it('leaves out the time before the lane said anything (S197, test 154)', () => {
    expect(reportsOf(10, 'work', 'sleep', 5, 'work', 5, 'sleep')).toEqual([0.5]);
    expect(reportsOf(10, 10, 'work', 'sleep', 5, 'work', 5, 'sleep')).toEqual([0, 0.5]);
  });

  it('is told at most once an interval, and only from a lane that turns (S197)', () => {
    expect(reportsOf(1000, 'sleep', 400, 'work', 500, 'sleep')).toEqual([]);
    expect(reportsOf(1000, 'sleep', 400, 'work', 500, 'sleep', 99, 'work')).toEqual([]);
    expect(reportsOf(1000, 'sleep', 400, 'work', 500, 'sleep', 100, 'work', 1, 'sleep')).toEqual([
      0.5,
    ]);
    expect(reportsOf(1000, 'sleep', 9000)).toEqual([]);
  });
});
