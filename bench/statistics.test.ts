import { describe, expect, it } from 'vitest';
import { median, ratioOfMedians } from './statistics.ts';

describe('the median', () => {
  it.each([
    [[3], 3],
    [[4, 1, 3], 3],
    [[4, 1, 3, 2], 2.5],
    [[10, 9, 100], 10],
  ])('of %j is %d, and the values stay as they are', (values, expected) => {
    const before = [...values];
    expect(median(values)).toBe(expected);
    expect(values).toEqual(before);
  });

  it('of nothing is no number', () => {
    expect(median([])).toBeNaN();
  });
});

describe('the ratio of medians', () => {
  it('of rounds that are all equal has no spread', () => {
    expect(ratioOfMedians([6, 6, 6], [2, 2, 2])).toEqual({ low: 3, middle: 3, high: 3 });
  });

  it('lies within what the rounds allow, and is the same each time', () => {
    const ours = [90, 100, 110, 95, 105];
    const theirs = [48, 50, 52, 49, 51];
    const ratio = ratioOfMedians(ours, theirs);
    expect(ratio.middle).toBe(2);
    expect(ratio.low).toBeGreaterThanOrEqual(90 / 52);
    expect(ratio.high).toBeLessThanOrEqual(110 / 48);
    expect(ratio.low).toBeLessThan(2);
    expect(ratio.high).toBeGreaterThan(2);
    expect(ratioOfMedians(ours, theirs)).toEqual(ratio);
  });
});
