import { expect, it } from 'vitest';
import { randomInteger, seededRandom } from '../internal/random.ts';
import type { Log } from '../raft/log.ts';
import { logOf } from '../testing/runtime-fixture.ts';
import { decodeRecord, decodeUint64, encodeLogs } from './entry-codec.ts';
import { countOf, findRecord, type Records, sizeOf } from './records.ts';

const log = (index: number): Log => logOf(index, 1, index % 5);

const indexesOf = (records: Records): number[] =>
  [...records].map(({ key, record }) => {
    const index = decodeUint64(key, 'key');
    expect(decodeRecord(index, record)).toEqual(log(index));
    return index;
  });

it('finds entries as a look at every one of them does, also where there are holes', () => {
  const random = seededRandom(9);
  for (let round = 0; round < 300; round += 1) {
    const parts: Records[] = [];
    const all = new Set<number>();
    // Some beyond 2^32, where an index needs both halves of its key.
    let index = round % 3 === 0 ? 2 ** 32 - 6 : 0;
    const lowest = index;
    for (let part = randomInteger(random, 0, 4); part > 0; part -= 1) {
      const indexes: number[] = [];
      for (let count = randomInteger(random, 1, 5); count > 0; count -= 1) {
        index += randomInteger(random, 1, 3);
        indexes.push(index);
        all.add(index);
      }
      parts.push(encodeLogs(indexes.map(log)));
    }
    expect(countOf(parts)).toBe(all.size);
    expect(sizeOf(parts)).toBe(
      parts.flatMap((part) => [...part]).reduce((sum, { record }) => sum + record.length, 0),
    );
    for (let asked = lowest; asked <= index + 2; asked += 1) {
      const found = findRecord(parts, asked);
      expect(found === undefined ? undefined : decodeRecord(asked, found).index).toBe(
        all.has(asked) ? asked : undefined,
      );
      for (const part of parts) {
        const kept = indexesOf(part).filter((at) => at >= asked);
        expect(indexesOf(part.from(asked))).toEqual(kept);
      }
    }
  }
});

it('has what a frame of the journal has, also after its beginning was cut off', () => {
  const whole = encodeLogs([3, 4, 5].map(log));
  expect(whole.from(3).bytes).toEqual(whole.bytes);
  expect(whole.from(5).bytes).toEqual(encodeLogs([log(5)]).bytes);
  expect(whole.from(6)).toHaveLength(0);
  expect(() => whole.pairAt(3)).toThrow(RangeError);
});
