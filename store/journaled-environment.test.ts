import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { utf8 } from '../internal/bytes.ts';
import { type Random, randomInteger, seededRandom } from '../internal/random.ts';
import { ZERO_TIME } from '../internal/timestamp.ts';
import { type Log, LogType } from '../raft/log.ts';
import { logOf } from '../testing/runtime-fixture.ts';
import { encodeLogs } from './entry-codec.ts';
import { InmemStore } from './inmem-store.ts';
import { JournalFile, NoRoomForJournal, readJournal } from './journal.ts';
import { JournaledEnvironment } from './journaled-environment.ts';
import { LMDBEnvironment } from './lmdb-environment.ts';
import { LMDBStore, newLMDBStore } from './lmdb-store.ts';
import { countOf } from './records.ts';

/** Small, so that files are turned over all the time. */
const FILE_BYTES = 16 * 512;
const KEY = utf8('CurrentTerm');

let base = '';
const opened: LMDBStore[] = [];
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'quorate-journaled-'));
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((store) => store.close()));
  await rm(base, { recursive: true });
});

async function open(path: string): Promise<LMDBStore> {
  const inner = await LMDBEnvironment.open(path, undefined);
  const store = new LMDBStore((await JournaledEnvironment.open(inner, FILE_BYTES)) ?? inner);
  opened.push(store);
  return store;
}

function entries(first: number, count: number, term: number, random: Random): Log[] {
  return Array.from({ length: count }, (_, i) => ({
    index: first + i,
    term,
    type: LogType.LogCommand,
    data: new Uint8Array(randomInteger(random, 0, 400)).fill(term),
    extensions: null,
    appendedAt: ZERO_TIME,
  }));
}

/** Entries of one size. */
function alike(first: number, count: number, sizeBytes: number): Log[] {
  return Array.from({ length: count }, (_, i) => logOf(first + i, 1, sizeBytes));
}

/** What a store holds, for a comparison. */
function stateOf(store: LMDBStore | InmemStore) {
  const first = store.firstIndex();
  const last = store.lastIndex();
  const logs: unknown[] = [];
  for (let index = first; first > 0 && index <= last; index += 1) {
    const { term, data } = store.getLog(index) as Log;
    logs.push([index, term, [...(data ?? [])]]);
  }
  return { first, last, term: store.getUint64(KEY), logs };
}

/** One thing that Raft does to its store. */
async function act(stores: readonly (LMDBStore | InmemStore)[], term: number, random: Random) {
  const [model] = stores;
  const first = model?.firstIndex() ?? 0;
  const last = model?.lastIndex() ?? 0;
  const at = random.next();
  const logs = entries(last + 1, randomInteger(random, 1, 8), term, random);
  const from = randomInteger(random, Math.max(first, 1), Math.max(last, 1));
  const tail = entries(from, randomInteger(random, 1, 5), term, random);
  for (const store of stores) {
    if (at < 0.7) await store.storeLogs(logs);
    else if (at < 0.8) await store.setUint64(KEY, term);
    else if (at < 0.88 && last > 0) await store.deleteRange(first, from);
    else if (at < 0.92 && last > 0) await store.deleteRange(from, last);
    else if (last > 0) await store.replaceTail(from, tail);
  }
}

/** What a crash may leave in a file of the journal. */
async function leave(name: string, order: number, first: number, count: number, term: number) {
  const [file] = await JournalFile.open(join(base, name), FILE_BYTES);
  await file.reset(order, BigInt(order));
  await file.append([encodeLogs(entries(first, count, term, seededRandom(term)))]);
  await file.close();
}

const termsIn = (store: LMDBStore) =>
  Array.from({ length: store.lastIndex() }, (_, i) => (store.getLog(i + 1) as Log).term);

it('reads the older file first, whichever it is', async () => {
  await leave('journal-0', 9, 3, 2, 9);
  await leave('journal-1', 8, 1, 2, 8);
  expect(termsIn(await open(base))).toEqual([8, 8, 9, 9]);
});

it('takes from the journal only what lies above all that LMDB has', async () => {
  const store = await open(base);
  await store.storeLogs(entries(1, 4, 5, seededRandom(5)));
  await store.close();
  await leave('journal-0', 7, 2, 4, 3);
  expect(termsIn(await open(base))).toEqual([5, 5, 5, 5, 3]);
});

it('is not emptied for a last entry of LMDB that is not what was written', async () => {
  const store = await open(base);
  await store.storeLogs(entries(1, 3, 5, seededRandom(5)));
  await store.close();
  await leave('journal-0', 7, 4, 2, 6);
  // As a bit of the index of entry 3 would have it: beyond all that the journal has.
  const file = join(base, 'data.mdb');
  const whole = await readFile(file);
  const turned = Buffer.from(whole);
  const key = Buffer.from([0, 0, 0, 0, 0, 0, 0, 3, 0, 0]);
  let count = 0;
  for (let at = turned.indexOf(key); at >= 0; at = turned.indexOf(key, at + 1)) {
    turned[at + 5] = 16;
    count += 1;
  }
  expect(count).toBeGreaterThan(0);
  await writeFile(file, turned);
  const inner = await LMDBEnvironment.open(base, undefined);
  await expect(JournaledEnvironment.open(inner, FILE_BYTES)).rejects.toMatchObject({
    code: 'ERR_STORE_CORRUPT',
    message: expect.stringMatching(/log 1048579 is damaged on disk/),
  });
  await inner.close();
  await writeFile(file, whole);
  expect(termsIn(await open(base))).toEqual([5, 5, 5, 6, 6]);
});

it('takes an entry that both files have from the older one', async () => {
  await leave('journal-0', 8, 1, 3, 8);
  await leave('journal-1', 9, 3, 2, 9);
  expect(termsIn(await open(base))).toEqual([8, 8, 8, 9]);
});

it('is read, and read once, by a store that goes on without a journal', async () => {
  await leave('journal-0', 1, 1, 3, 1);
  await leave('journal-1', 2, 4, 1, 2);
  const bounded = await newLMDBStore({ path: base, mapSize: 1 << 20 });
  opened.push(bounded);
  expect(termsIn(bounded)).toEqual([1, 1, 1, 2]);
  await bounded.deleteRange(3, 4);
  await bounded.close();
  expect(termsIn(await open(base))).toEqual([1, 1]);
});

it('is read when only one of its files is there', async () => {
  await leave('journal-1', 2, 1, 2, 2);
  const bounded = await newLMDBStore({ path: base, mapSize: 1 << 20 });
  opened.push(bounded);
  expect(termsIn(bounded)).toEqual([2, 2]);
});

it('deletes nothing when a file whose records were moved could not be emptied', async () => {
  const store = await open(base);
  const moved = vi.spyOn(LMDBEnvironment.prototype, 'commit');
  const reset = vi.spyOn(JournalFile.prototype, 'reset');
  onTestFinished(() => {
    moved.mockRestore();
    reset.mockRestore();
  });
  let refuse: (error: Error) => void = () => {};
  reset.mockImplementationOnce(() => new Promise((_, reject) => (refuse = reject)));
  const random = seededRandom(5);
  let last = 0;
  while (moved.mock.calls.length === 0) {
    await store.storeLogs(entries(last + 1, 4, 1, random));
    last += 4;
  }
  await vi.waitFor(() => expect(reset).toHaveBeenCalledTimes(1));
  const deletion = store.deleteRange(1, last - 4);
  refuse(new Error('EIO'));
  await expect(deletion).rejects.toThrow('EIO');
  expect(store.firstIndex()).toBe(1);
  await store.close();
  expect(termsIn(await open(base))).toHaveLength(last);
});

it('is not given up for lack of room while it holds entries', async () => {
  await leave('journal-1', 2, 1, 2, 2);
  const made = vi.spyOn(JournalFile, 'open');
  onTestFinished(() => made.mockRestore());
  made.mockRejectedValueOnce(new NoRoomForJournal('no room'));
  const inner = await LMDBEnvironment.open(base, undefined);
  onTestFinished(() => inner.close());
  await expect(JournaledEnvironment.open(inner, FILE_BYTES)).rejects.toThrow('no room');
  expect((await readJournal(join(base, 'journal-1')))?.writes.map(({ length }) => length)).toEqual([
    2,
  ]);
});

it('goes into LMDB in transactions that do not halt the thread, at a start as well', async () => {
  const commit = vi.spyOn(LMDBEnvironment.prototype, 'commit');
  onTestFinished(() => commit.mockRestore());
  const store = await newLMDBStore({ path: base });
  opened.push(store);
  for (let first = 1; first <= 5000; first += 500) await store.storeLogs(alike(first, 500, 0));
  const copy = await mkdtemp(join(tmpdir(), 'quorate-journaled-'));
  onTestFinished(() => rm(copy, { recursive: true }));
  await cp(base, copy, { recursive: true });
  await store.close();
  const recovered = await newLMDBStore({ path: copy });
  opened.push(recovered);
  expect([recovered.firstIndex(), recovered.lastIndex()]).toEqual([1, 5000]);
  const sizes = commit.mock.calls.map(([{ logs }]) => countOf(logs));
  expect(sizes).toEqual([2000, 2000, 1000, 2000, 2000, 1000]);
});

it.each([
  { of: '300 KB', count: 15, data: 20_000, writes: 4, journaled: true, moved: [45, 15] },
  { of: '700 KB', count: 35, data: 20_000, writes: 2, journaled: true, moved: [35, 35] },
  { of: '800 KB', count: 40, data: 20_000, writes: 2, journaled: false, moved: [40, 40] },
  { of: '512 entries', count: 512, data: 0, writes: 5, journaled: true, moved: [2048, 512] },
  { of: '2048 entries', count: 2048, data: 0, writes: 2, journaled: true, moved: [2048, 2048] },
  { of: '2049 entries', count: 2049, data: 0, writes: 2, journaled: false, moved: [2049, 2049] },
])('writes of $of: journaled $journaled', async ({ count, data, writes, journaled, moved }) => {
  const commit = vi.spyOn(LMDBEnvironment.prototype, 'commit');
  onTestFinished(() => commit.mockRestore());
  const store = await newLMDBStore({ path: base });
  opened.push(store);
  for (let write = 0; write < writes; write += 1) {
    await store.storeLogs(alike(1 + write * count, count, data));
  }
  expect(commit).toHaveBeenCalledTimes(journaled ? 0 : writes);
  await store.close();
  expect(commit.mock.calls.map(([{ logs }]) => countOf(logs))).toEqual(moved);
});

it('goes into LMDB when it has many entries, however small they are', async () => {
  const commit = vi.spyOn(LMDBEnvironment.prototype, 'commit');
  onTestFinished(() => commit.mockRestore());
  const store = await newLMDBStore({ path: base });
  opened.push(store);
  const fitting = 32;
  for (let write = 0; write < fitting; write += 1) {
    await store.storeLogs(alike(1 + write * 512, 512, 0));
  }
  expect(commit).not.toHaveBeenCalled();
  await store.storeLogs(alike(1 + fitting * 512, 1, 0));
  await vi.waitFor(() => expect(commit).toHaveBeenCalled());
});

it.each([1, 2, 3, 4])(
  'a store with a journal is a store, and a crash takes nothing (seed %i)',
  async (seed) => {
    const random = seededRandom(seed);
    const model = new InmemStore();
    const store = await open(join(base, 'store'));
    for (let term = 1; term <= 150; term += 1) {
      await act([model, store], term, random);
      expect(stateOf(store)).toEqual(stateOf(model));
      if (term % 15 !== 0) continue;
      const copy = join(base, `copy-${term}`);
      await cp(join(base, 'store'), copy, { recursive: true });
      const reopened = await open(copy);
      expect(stateOf(reopened)).toEqual(stateOf(model));
      await reopened.close();
    }
  },
);
