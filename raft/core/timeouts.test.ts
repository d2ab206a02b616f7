import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../internal/random.ts';
import { randomTimeoutMs } from './timeouts.ts';

describe('randomTimeoutMs', () => {
  it('is at least the base and less than twice the base (S25, test 145)', () => {
    const draw = (seed: number, baseMs: number) => {
      const waitMs = randomTimeoutMs(seededRandom(seed), baseMs);
      expect(waitMs).toBeGreaterThanOrEqual(baseMs);
      expect(waitMs).toBeLessThan(2 * baseMs);
    };
    fc.assert(fc.property(fc.integer(), fc.integer({ min: 1, max: 1_000_000 }), draw));
  });

  it('uses the whole range', () => {
    expect(randomTimeoutMs({ next: () => 0 }, 40)).toBe(40);
    expect(randomTimeoutMs({ next: () => 0.5 }, 40)).toBe(60);
  });
});
