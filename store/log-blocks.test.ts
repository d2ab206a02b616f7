import { expect, it } from 'vitest';
import { type Random, randomInteger, seededRandom } from '../internal/random.ts';
import { logOf } from '../testing/runtime-fixture.ts';
import { decodeUint64, encodeLogs } from './entry-codec.ts';
import { blocksOf, keyOf, mergeRecords, readBlock } from './log-blocks.ts';
import { joinRecords, type Records } from './records.ts';

/** Entries, some indexes left out; the mark tells where an entry comes from. */
function someEntries(random: Random, from: number, to: number, mark: number): Records {
  const logs = [];
  for (let index = from; index <= to; index += 1) {
    if (random.next() < 0.8) logs.push(logOf(index, mark, randomInteger(random, 0, 3000)));
  }
  return encodeLogs(logs);
}

const contents = (records: Records) =>
  new Map([...records].map(({ key, record }) => [decodeUint64(key, 'key'), [...record].join()]));

it('cuts entries into blocks that are read as they were, each under its first index', () => {
  const random = seededRandom(4);
  for (let round = 0; round < 50; round += 1) {
    const all = someEntries(random, 1, randomInteger(random, 1, 120), 1);
    const blocks = blocksOf(all);
    const sizes = blocks.map(({ bytes }) => bytes.length);
    for (const [at, block] of blocks.entries()) {
      expect(block.bytes.length).toBeLessThanOrEqual(16 * 4096 - 24);
      // What follows would not have fitted in.
      const next = blocks[at + 1]?.entryAt(0).length ?? Number.POSITIVE_INFINITY;
      expect((sizes[at] ?? 0) + next).toBeGreaterThan(16 * 4096 - 24);
      const read = readBlock(decodeUint64(keyOf(block), 'key'), block.bytes);
      expect(read.damage).toBeNull();
      expect(contents(read.records)).toEqual(contents(block));
    }
    expect(contents(joinRecords(blocks))).toEqual(contents(all));
  }
});

it('gives an entry that is larger than a block one of its own', () => {
  const all = encodeLogs([logOf(1, 1, 10), logOf(2, 1, 100_000), logOf(3, 1, 10)]);
  expect(blocksOf(all).map((block) => block.indexAt(0))).toEqual([1, 2, 3]);
  expect(blocksOf(encodeLogs([]))).toEqual([]);
});

it('says from where on a block cannot be read, wherever it was cut or changed', () => {
  const { bytes } = encodeLogs([logOf(5, 1, 10), logOf(6, 1, 0), logOf(9, 1, 20)]);
  const starts = [0, 57, 104];
  for (let length = 0; length < bytes.length; length += 1) {
    const { records, damage } = readBlock(5, bytes.subarray(0, length));
    const whole = starts.filter((_, at) => (starts[at + 1] ?? bytes.length) <= length);
    expect(records).toHaveLength(whole.length);
    const from = starts[whole.length];
    // An end between two entries shows in what is missing, not in the bytes.
    if (length === from && length > 0) expect(damage).toBeNull();
    else expect(damage).toBe(`the block of entry 5 cannot be read from byte ${from} on`);
  }
  expect(readBlock(4, bytes).damage).toBe('the block of entry 4 cannot be read from byte 0 on');
  const falling = bytes.slice();
  falling[104 + 7] = 6;
  expect(readBlock(5, falling).damage).toBe('the block of entry 5 cannot be read from byte 104 on');
  const huge = bytes.slice();
  huge[104] = 0xff;
  expect(readBlock(5, huge).damage).toBe('the block of entry 5 cannot be read from byte 104 on');
});

it('merges as a map does: removals first, the later of two entries counts', () => {
  const random = seededRandom(11);
  for (let round = 0; round < 100; round += 1) {
    const old = [someEntries(random, 1, 20, 1), someEntries(random, 21, 40, 2)];
    const removals = new Set<number>();
    for (let index = 1; index <= 45; index += 1) if (random.next() < 0.3) removals.add(index);
    const from = randomInteger(random, 6, 45);
    const parts = [someEntries(random, from, from + 9, 3), someEntries(random, from - 5, from, 4)];
    const model = new Map<number, string>();
    for (const records of old)
      for (const [index, text] of contents(records)) model.set(index, text);
    for (const index of removals) model.delete(index);
    for (const records of parts) {
      for (const [index, text] of contents(records)) model.set(index, text);
    }
    const merged = mergeRecords(old, (index) => removals.has(index), parts);
    const indexes = Array.from({ length: merged.length }, (_, at) => merged.indexAt(at));
    expect(indexes).toEqual([...model.keys()].sort((a, b) => a - b));
    expect(contents(merged)).toEqual(model);
  }
});
