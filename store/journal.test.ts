import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { seededRandom } from '../internal/random.ts';
import { logOf } from '../testing/runtime-fixture.ts';
import { encodeLogs, type Pair } from './entry-codec.ts';
import { JournalFile } from './journal.ts';
import type { Records } from './records.ts';

type Write = (
  fd: number,
  bytes: Uint8Array,
  offset: number,
  length: number,
  position: number,
  done: (error: Error | null, written: number) => void,
) => void;

/** What stands between a journal and the disk. */
const disk = vi.hoisted(() => ({ write: (real: Write): Write => real }));
vi.mock('node:fs', async (importOriginal) => {
  const fs = await importOriginal<typeof import('node:fs')>();
  const write: Write = (...args) => disk.write(fs.write)(...args);
  return { ...fs, write };
});

const SECTOR = 512;
const SIZE = 64 * SECTOR;
const LIFE = 0x1234_5678_9abc_def0n;

let path = '';
let directory = '';
const opened: JournalFile[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'quorate-journal-'));
  path = join(directory, 'journal');
});
afterEach(async () => {
  disk.write = (real) => real;
  for (const file of opened.splice(0)) await file.close();
  await rm(directory, { recursive: true });
});

async function open() {
  const [file, { order, writes }] = await JournalFile.open(path, SIZE);
  opened.push(file);
  return { file, contents: { order, pairs: pairsOf(writes) } };
}

function pairsOf(writes: readonly Records[]): Pair[] {
  return writes.flatMap((records) => [...records]);
}

function write(first: number, count: number, sizeBytes: number): Records {
  const logs = Array.from({ length: count }, (_, i) => logOf(first + i, 1, sizeBytes));
  return encodeLogs(logs);
}

/** Three writes; the last one has five sectors. */
async function threeWrites(): Promise<{ all: Pair[]; bytes: Uint8Array; lastSector: number }> {
  const { file } = await open();
  await file.reset(7, LIFE);
  const writes = [write(1, 2, 100), write(3, 1, 700), write(4, 20, 60)];
  for (const records of writes) await file.append([records]);
  return { all: pairsOf(writes), bytes: new Uint8Array(await readFile(path)), lastSector: 4 };
}

describe('a file of the journal', () => {
  it('is empty when it is new, and keeps what is written in its order', async () => {
    const { file, contents } = await open();
    expect(contents).toEqual({ order: 0, pairs: [] });
    expect(file.hasRoomFor([write(1, 1, 1)])).toBe(false);
    const { all } = await threeWrites();
    expect((await open()).contents).toEqual({ order: 7, pairs: all });
  });

  it('forgets its writes in its next life', async () => {
    await threeWrites();
    const { file } = await open();
    await file.reset(8, LIFE + 1n);
    expect((await open()).contents).toEqual({ order: 8, pairs: [] });
    const both = [write(50, 1, 10), write(51, 3, 10)];
    await file.append(both);
    expect((await open()).contents).toEqual({ order: 8, pairs: pairsOf(both) });
  });

  it('goes on with a write that the disk took in pieces', async () => {
    disk.write = (real) => (fd, bytes, offset, length, position, done) =>
      real(fd, bytes, offset, Math.min(length, 100), position, done);
    const { all } = await threeWrites();
    expect((await open()).contents).toEqual({ order: 7, pairs: all });
  });

  it('fails a write that the disk did not take', async () => {
    const { file } = await open();
    await file.reset(1, LIFE);
    disk.write = () => (_fd, _bytes, _offset, _length, _position, done) =>
      done(new Error('EIO: i/o error, write'), 0);
    await expect(file.append([write(1, 1, 10)])).rejects.toThrow('EIO');
  });

  it('says when it is full', async () => {
    const { file } = await open();
    await file.reset(1, LIFE);
    const whole = [write(1, 1, 62 * SECTOR)];
    expect(file.hasRoomFor(whole)).toBe(true);
    expect(file.hasRoomFor([write(1, 1, 63 * SECTOR)])).toBe(false);
    await file.append(whole);
    expect(file.hasRoomFor([write(2, 1, 1)])).toBe(false);
    expect((await open()).contents.pairs).toEqual(pairsOf(whole));
  });
});

describe('a journal after a crash', () => {
  it('has every write but the last when some sectors of that one are missing', async () => {
    const { all, bytes, lastSector } = await threeWrites();
    const sectors = 6;
    for (let kept = 0; kept < 2 ** sectors - 1; kept += 1) {
      const torn = bytes.slice();
      for (let i = 0; i < sectors; i += 1) {
        const from = (lastSector + i) * SECTOR;
        if ((kept & (1 << i)) === 0) torn.fill(0, from, from + SECTOR);
      }
      await writeFile(path, torn);
      const { contents } = await open();
      const count = contents.pairs.length;
      expect([3, all.length]).toContain(count);
      expect(contents.pairs).toEqual(all.slice(0, count));
    }
  });

  it('never leaves out what was written before a whole frame', async () => {
    const { all, bytes, lastSector } = await threeWrites();
    const random = seededRandom(5);
    let refused = 0;
    for (let round = 0; round < 300; round += 1) {
      const at = Math.floor(random.next() * lastSector * SECTOR);
      const rotten = bytes.slice();
      rotten[at] = (rotten[at] ?? 0) ^ (1 << (round % 8));
      await writeFile(path, rotten);
      try {
        const { contents } = await open();
        // The bit is one that nobody reads: between the end of a frame and that of its sector.
        expect(contents.pairs).toEqual(all);
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_STORE_CORRUPT' });
        refused += 1;
      }
    }
    expect(refused).toBeGreaterThan(100);
  });

  it('is refused when it is something else', async () => {
    await writeFile(path, new Uint8Array(SIZE).fill(65));
    await expect(open()).rejects.toMatchObject({ code: 'ERR_STORE_CORRUPT' });
  });
});
