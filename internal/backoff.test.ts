import { describe, expect, it } from 'vitest';
import { backoffMs, cappedBackoffMs } from './backoff.ts';

describe('backoffMs', () => {
  it.each([
    [10, 1, 10, 10],
    [20, 2, 10, 20],
    [10, 3, 10, 20],
    [10, 8, 8, 640],
    [10, 9, 8, 640],
    [10, 12, 12, 10_240],
    [10, 1000, 12, 10_240],
    [10, 0, 12, 10],
  ])('waits from %i ms, in round %i of %i: %i ms (test 151, S198)', (...row) => {
    const [base, round, limit, expected] = row;
    expect(backoffMs(base, round, limit)).toBe(expected);
  });
});

describe('cappedBackoffMs', () => {
  it.each([
    [10, 1, 10, 500, 10],
    [10, 3, 10, 500, 20],
    [10, 8, 12, 500, 500],
    [10, 7, 12, 320, 320],
    [10, 1000, 12, 500, 500],
    [10, 9, 8, 5000, 640],
    [10, 0, 12, 4, 4],
  ])('waits from %i ms, in round %i of %i, at most %i ms: %i ms (S198)', (...row) => {
    const [base, round, limit, cap, expected] = row;
    expect(cappedBackoffMs(base, round, limit, cap)).toBe(expected);
  });
});
