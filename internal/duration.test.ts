import { describe, expect, it } from 'vitest';
import { formatDuration } from './duration.ts';

describe('formatDuration', () => {
  it.each([
    [0, '0s'],
    [0.000_001, '1ns'],
    [0.000_999, '999ns'],
    [0.001, '1µs'],
    [0.0015, '1.5µs'],
    [0.999_999, '999.999µs'],
    [1, '1ms'],
    [1.5, '1.5ms'],
    [500, '500ms'],
    [999.999_999, '999.999999ms'],
    [1000, '1s'],
    [1500, '1.5s'],
    [10_000, '10s'],
    [59_999, '59.999s'],
    [60_000, '1m0s'],
    [90_000, '1m30s'],
    [100_000, '1m40s'],
    [3_600_000, '1h0m0s'],
    [3_661_001, '1h1m1.001s'],
    [90_000_000, '25h0m0s'],
    [-1500, '-1.5s'],
    [-90_000, '-1m30s'],
    [-0.000_000_1, '0s'],
  ])('prints %f ms as Go does: %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});
