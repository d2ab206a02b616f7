import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AbleHookedStore, logOf } from '../../testing/runtime-fixture.ts';
import { TermIndex } from '../core/term-index.ts';
import { readTermIndex } from './read-term-index.ts';

/** Lengths of runs, each of a term above the one before, from `first` on. */
function storeOf(
  first: number,
  runs: readonly number[],
  hole: { at: number; size: number } | null,
) {
  const store = new AbleHookedStore();
  let index = first;
  const terms: [number, number][] = [];
  runs.forEach((length, i) => {
    for (let left = length; left > 0; left -= 1) {
      if (hole !== null && terms.length === hole.at) index += hole.size;
      terms.push([index, 2 * i + 1]);
      index += 1;
    }
  });
  store.inner.storeLogs(terms.map(([at, term]) => logOf(at, term)));
  let reads = 0;
  store.onRead = () => {
    reads += 1;
  };
  const slow = new TermIndex(terms.map(([at, term]) => ({ first: at, last: at, term })));
  return { store, slow, terms, reads: () => reads };
}

const runs = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 8 });

describe('the term index of a stored log', () => {
  it('is empty for an empty log', async () => {
    const index = await readTermIndex(new AbleHookedStore(), 0);
    expect([index.firstIndex, index.lastIndex, index.runs]).toEqual([0, 0, []]);
  });

  it('says what a look at every entry says', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 50 }), runs, async (first, lengths) => {
        const { store, slow } = storeOf(first, lengths, null);
        expect((await readTermIndex(store, 0)).runs).toEqual(slow.runs);
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  it('says it also of a log with the hole that a user restore leaves at its snapshot', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 50 }),
        runs,
        fc.nat(),
        fc.integer({ min: 1, max: 40 }),
        fc.nat(),
        async (first, lengths, place, size, inside) => {
          const count = lengths.reduce((sum, length) => sum + length, 0);
          fc.pre(count > 1);
          const at = 1 + (place % (count - 1));
          const { store, slow, terms } = storeOf(first, lengths, { at, size });
          const snapshotIndex = (terms[at - 1]?.[0] ?? 0) + 1 + (inside % size);
          expect((await readTermIndex(store, snapshotIndex)).runs).toEqual(slow.runs);
        },
      ),
      { numRuns: 200, seed: 2 },
    );
  });

  it('takes few reads: some for each term, whatever the length', async () => {
    const lengths = Array.from({ length: 10 }, () => 10_000);
    const { store, slow, reads } = storeOf(1, lengths, null);
    expect((await readTermIndex(store, 0)).runs).toEqual(slow.runs);
    expect(reads()).toBeLessThan(10 * 20 + 10);
  });

  it('fails when the store does', async () => {
    const { store } = storeOf(1, [5, 5], null);
    store.onRead = (index) => {
      if (index === 10) throw new Error('bad sector');
    };
    await expect(readTermIndex(store, 0)).rejects.toThrow('bad sector');
  });

  it('R6: refuses a log with a hole that no restore can have left', async () => {
    const { store } = storeOf(1, [3, 4], { at: 3, size: 1 });
    await expect(readTermIndex(store, 0)).rejects.toThrow(/4/);
    const beheaded = storeOf(1, [3, 4], null).store;
    beheaded.firstIndex = () => 1;
    beheaded.inner.deleteRange(1, 1);
    await expect(readTermIndex(beheaded, 0)).rejects.toThrow(/1/);
  });
});
