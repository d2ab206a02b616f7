import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Random, randomInteger, seededRandom, systemRandom } from './random.ts';

function draw(random: Random, count: number): number[] {
  return Array.from({ length: count }, () => random.next());
}

describe('seededRandom', () => {
  it('says the same for the same seed, on every machine and for ever', () => {
    expect(draw(seededRandom(42), 3)).toEqual([
      0.6011037519201636, 0.44829055899754167, 0.8524657934904099,
    ]);
    expect(draw(seededRandom(7), 20)).toEqual(draw(seededRandom(7), 20));
  });

  it('says something else for another seed (test 147)', () => {
    const firsts = Array.from({ length: 1000 }, (_, seed) => seededRandom(seed).next());
    expect(new Set(firsts).size).toBe(1000);
  });

  it('stays below 1 and spreads evenly', () => {
    const drawn = draw(seededRandom(1), 20_000);
    const buckets = new Array<number>(10).fill(0);
    for (const n of drawn) {
      expect(n >= 0 && n < 1).toBe(true);
      buckets[Math.floor(n * 10)] = (buckets[Math.floor(n * 10)] ?? 0) + 1;
    }
    for (const count of buckets) expect(Math.abs(count - 2000)).toBeLessThan(200);
  });
});

describe('systemRandom', () => {
  it('does not repeat itself', () => {
    expect(new Set(draw(systemRandom, 100)).size).toBeGreaterThan(90);
  });
});

describe('randomInteger', () => {
  it('includes both ends, and nothing beyond them', () => {
    const within = (seed: number, low: number, width: number) => {
      const n = randomInteger(seededRandom(seed), low, low + width);
      expect(Number.isInteger(n) && n >= low && n <= low + width).toBe(true);
    };
    const low = fc.integer({ min: -1000, max: 1000 });
    fc.assert(fc.property(fc.integer(), low, fc.nat({ max: 50 }), within));
    expect(randomInteger({ next: () => 0 }, 3, 5)).toBe(3);
    expect(randomInteger({ next: () => 0.999_999 }, 3, 5)).toBe(5);
  });
});
