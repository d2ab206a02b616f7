import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TermIndex } from './term-index.ts';

/** What a TermIndex stands for, as slow and obvious as possible: an entry for every index. */
class SlowTermIndex {
  readonly terms = new Map<number, number>();

  get indexes(): number[] {
    return [...this.terms.keys()].sort((a, b) => a - b);
  }

  drop(which: (index: number) => boolean): void {
    for (const index of this.indexes) if (which(index)) this.terms.delete(index);
  }
}

/** What can happen to a log, with numbers that are relative to where it ends. */
const operation = fc.oneof(
  fc.record({
    kind: fc.constant('append' as const),
    gap: fc.nat({ max: 2 }),
    count: fc.integer({ min: 1, max: 5 }),
    newerBy: fc.nat({ max: 2 }),
  }),
  fc.record({ kind: fc.constant('truncate' as const), back: fc.nat({ max: 8 }) }),
  fc.record({ kind: fc.constant('forget' as const), back: fc.nat({ max: 8 }) }),
);

describe('TermIndex', () => {
  it('is empty at first', () => {
    const terms = new TermIndex();
    expect([terms.firstIndex, terms.lastIndex, terms.lastTerm]).toEqual([0, 0, 0]);
    expect(terms.termAt(0)).toBeUndefined();
    expect(terms.termAt(1)).toBeUndefined();
  });

  it('keeps neighbours of one term as one run', () => {
    const terms = new TermIndex([{ first: 1, last: 2, term: 1 }]);
    terms.append(3, 4, 1);
    terms.append(5, 5, 3);
    expect(terms.runs).toEqual([
      { first: 1, last: 4, term: 1 },
      { first: 5, last: 5, term: 3 },
    ]);
  });

  it('knows that a hole has no term', () => {
    const terms = new TermIndex([{ first: 1, last: 3, term: 2 }]);
    terms.append(6, 7, 2);
    expect([3, 4, 5, 6].map((index) => terms.termAt(index))).toEqual([2, undefined, undefined, 2]);
    expect(terms.runs).toHaveLength(2);
  });

  it('cuts a run in the middle, from either end', () => {
    const terms = new TermIndex([
      { first: 1, last: 5, term: 1 },
      { first: 6, last: 9, term: 2 },
    ]);
    terms.truncateFrom(8);
    terms.forgetUpTo(2);
    expect(terms.runs).toEqual([
      { first: 3, last: 5, term: 1 },
      { first: 6, last: 7, term: 2 },
    ]);
  });

  it('leaves nothing when everything is forgotten', () => {
    const terms = new TermIndex([{ first: 4, last: 6, term: 2 }]);
    terms.forgetUpTo(6);
    expect([terms.firstIndex, terms.lastIndex, terms.runs]).toEqual([0, 0, []]);
    terms.append(7, 7, 1);
    expect(terms.firstIndex).toBe(7);
  });

  it.each([
    ['before the last one', 3, 3, 2, /must follow the last index 3/],
    ['that end before they begin', 5, 4, 2, /must follow the last index 3/],
    ['of an older term', 4, 4, 1, /terms in a log never fall: 1 after 2 at index 4/],
  ])('refuses entries %s', (_what, first, last, term, message) => {
    const terms = new TermIndex([{ first: 1, last: 3, term: 2 }]);
    expect(() => terms.append(first, last, term)).toThrow(message);
  });

  it('refuses runs that are empty or out of order', () => {
    expect(() => new TermIndex([{ first: 2, last: 1, term: 1 }])).toThrow(/must not be empty/);
    const overlapping = [
      { first: 1, last: 3, term: 1 },
      { first: 3, last: 4, term: 2 },
    ];
    expect(() => new TermIndex(overlapping)).toThrow(/must be sorted/);
  });

  it('says what an array of terms would say, whatever happens to the log', () => {
    const run = (
      operations: readonly (typeof operation extends fc.Arbitrary<infer T> ? T : never)[],
    ) => {
      const terms = new TermIndex();
      const slow = new SlowTermIndex();
      for (const op of operations) {
        if (op.kind === 'append') {
          const first = terms.lastIndex + 1 + op.gap;
          const term = terms.lastTerm + op.newerBy;
          terms.append(first, first + op.count - 1, term);
          for (let i = 0; i < op.count; i += 1) slow.terms.set(first + i, term);
        } else if (op.kind === 'truncate') {
          const from = terms.lastIndex + 1 - op.back;
          terms.truncateFrom(from);
          slow.drop((index) => index >= from);
        } else {
          const upTo = terms.lastIndex - op.back;
          terms.forgetUpTo(upTo);
          slow.drop((index) => index <= upTo);
        }
        const { indexes } = slow;
        expect(terms.firstIndex).toBe(indexes[0] ?? 0);
        expect(terms.lastIndex).toBe(indexes.at(-1) ?? 0);
        expect(terms.lastTerm).toBe(slow.terms.get(terms.lastIndex) ?? 0);
        for (let index = -1; index <= terms.lastIndex + 2; index += 1) {
          expect(terms.termAt(index)).toBe(slow.terms.get(index));
        }
        const rebuilt = new TermIndex(terms.runs);
        expect(rebuilt.runs).toEqual(terms.runs);
      }
    };
    fc.assert(fc.property(fc.array(operation, { maxLength: 30 }), run), { numRuns: 150 });
  });
});
