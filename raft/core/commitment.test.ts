import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { server, voters } from '../../testing/core-fixture.ts';
import { Configuration, ServerSuffrage } from '../configuration.ts';
import { Commitment } from './commitment.ts';

/** Tells each server's match index; true for each time the commit index moved. */
function matches(commitment: Commitment, indexes: Readonly<Record<string, number>>): boolean[] {
  return Object.entries(indexes).map(([id, index]) => commitment.match(id, index));
}

const five = voters('s1', 's2', 's3', 's4', 's5');

describe('Commitment', () => {
  it('keeps what it knows of voters that stay (S62, test 88)', () => {
    const commitment = new Commitment(voters('a', 'b', 'c'), 0);
    expect(matches(commitment, { a: 10, b: 20, c: 30 })).toEqual([false, true, true]);
    expect(commitment.commitIndex).toBe(20);
    expect(commitment.setConfiguration(voters('c', 'd', 'e'))).toBe(false);
    expect(commitment.matchIndexOf('c')).toBe(30);
    expect(commitment.matchIndexOf('a')).toBeUndefined();
    expect(commitment.match('e', 40)).toBe(true);
    expect(commitment.commitIndex).toBe(30);
  });

  it('never lets a match index fall (S62, test 89)', () => {
    const commitment = new Commitment(five, 4);
    matches(commitment, { s1: 8, s2: 8 });
    expect(commitment.match('s2', 1)).toBe(false);
    expect(commitment.matchIndexOf('s2')).toBe(8);
    expect(commitment.match('s3', 8)).toBe(true);
    expect(commitment.commitIndex).toBe(8);
  });

  it('counts no stranger and no nonvoter (S62, test 90)', () => {
    const servers = [...five.servers, server('n', ServerSuffrage.Nonvoter)];
    const commitment = new Commitment(new Configuration(servers), 4);
    matches(commitment, { s1: 8, s2: 8, s3: 8 });
    expect(matches(commitment, { n: 10, s90: 10, s91: 10, s92: 10 })).toEqual([
      false,
      false,
      false,
      false,
    ]);
    expect(commitment.commitIndex).toBe(8);
  });

  it('takes the index a majority holds (S62, test 91)', () => {
    const commitment = new Commitment(five, 0);
    matches(commitment, { s1: 30, s2: 20 });
    expect(commitment.commitIndex).toBe(0);
    matches(commitment, { s3: 10 });
    expect(commitment.commitIndex).toBe(10);
    matches(commitment, { s4: 15 });
    expect(commitment.commitIndex).toBe(15);
    expect(commitment.setConfiguration(voters('s1', 's2', 's3'))).toBe(true);
    expect(commitment.commitIndex).toBe(20);
    commitment.setConfiguration(voters('s1', 's2', 's3', 's4'));
    expect(commitment.match('s2', 25)).toBe(false);
    expect(commitment.commitIndex).toBe(20);
    expect(commitment.match('s4', 23)).toBe(true);
    expect(commitment.commitIndex).toBe(23);
  });

  it('commits nothing of earlier terms (S62, test 92)', () => {
    const commitment = new Commitment(five, 4);
    matches(commitment, { s1: 3, s2: 3, s3: 3 });
    expect(commitment.commitIndex).toBe(0);
    expect(matches(commitment, { s1: 4, s2: 4, s3: 4 })).toEqual([false, false, true]);
    expect(commitment.commitIndex).toBe(4);
  });

  it('commits nothing without voters (S62, test 93)', () => {
    const commitment = new Commitment(new Configuration(), 4);
    expect(commitment.match('s1', 10)).toBe(false);
    expect(commitment.setConfiguration(new Configuration())).toBe(false);
    expect(commitment.commitIndex).toBe(0);
    commitment.setConfiguration(voters('s1'));
    expect(commitment.match('s1', 10)).toBe(true);
    commitment.setConfiguration(new Configuration());
    expect(commitment.match('s1', 20)).toBe(false);
    expect(commitment.commitIndex).toBe(10);
  });

  it('needs only itself when it is alone (S62, test 94)', () => {
    const commitment = new Commitment(voters('s1'), 4);
    expect(commitment.match('s1', 10)).toBe(true);
    expect(commitment.setConfiguration(voters('s1'))).toBe(false);
    expect(commitment.commitIndex).toBe(10);
    expect(commitment.match('s1', 12)).toBe(true);
    expect(commitment.commitIndex).toBe(12);
  });

  it('agrees with a slow count, whatever is matched and whoever votes', () => {
    const ids = ['a', 'b', 'c', 'd', 'e'];
    const someVoters = fc.subarray(ids, { minLength: 1 });
    const event = fc.oneof(
      fc.record({ id: fc.constantFrom(...ids), index: fc.nat({ max: 20 }) }),
      fc.record({ voters: someVoters }),
    );
    const agree = (
      first: string[],
      start: number,
      events: readonly (typeof event extends fc.Arbitrary<infer T> ? T : never)[],
    ) => {
      const commitment = new Commitment(voters(...first), start);
      let held = new Map(first.map((id) => [id, 0]));
      let committed = 0;
      for (const now of events) {
        let moved: boolean;
        if ('voters' in now) {
          held = new Map(now.voters.map((id) => [id, held.get(id) ?? 0]));
          moved = commitment.setConfiguration(voters(...now.voters));
        } else {
          const known = held.get(now.id);
          if (known !== undefined) held.set(now.id, Math.max(known, now.index));
          moved = commitment.match(now.id, now.index);
        }
        const before = committed;
        for (let n = Math.max(start, committed + 1); n <= 20; n += 1) {
          const holders = [...held.values()].filter((index) => index >= n).length;
          if (holders * 2 > held.size) committed = n;
        }
        expect(commitment.commitIndex).toBe(committed);
        expect(moved).toBe(committed > before);
      }
    };
    fc.assert(fc.property(someVoters, fc.nat({ max: 5 }), fc.array(event), agree), {
      numRuns: 200,
    });
  });
});
