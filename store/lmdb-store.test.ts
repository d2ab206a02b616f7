import { mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { utf8 } from '../internal/bytes.ts';
import { ZERO_TIME } from '../internal/timestamp.ts';
import { ErrLogNotFound } from '../raft/errors.ts';
import { type Log, LogType } from '../raft/log.ts';
import { KEY_CURRENT_TERM } from '../raft/stable.ts';
import { encodeUint64 } from './entry-codec.ts';
import { type LMDBStore, newLMDBStore } from './lmdb-store.ts';

const BINARY = { encoding: 'binary', keyEncoding: 'binary' } as const;

let path = '';
const opened: LMDBStore[] = [];

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'quorate-lmdb-'));
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((store) => store.close()));
  await rm(path, { recursive: true });
});

async function openStore(options: { mapSize?: number } = {}): Promise<LMDBStore> {
  const store = await newLMDBStore({ path, ...options });
  opened.push(store);
  return store;
}

/** Changes the environment behind the back of the store. */
async function tamper(
  database: string,
  change: (db: ReturnType<typeof open<Uint8Array, Uint8Array>>) => Promise<unknown>,
): Promise<void> {
  const root = open<Uint8Array, Uint8Array>({ path, noSubdir: false, ...BINARY });
  const db = database === '' ? root : root.openDB<Uint8Array, Uint8Array>(database, BINARY);
  await change(Object.assign(db));
  await root.close();
}

/** Changes the block of the log whose first entry is `first`. */
function tamperBlock(first: number, change: (block: Uint8Array) => unknown): Promise<void> {
  return tamper('logs', async (db) => {
    const block = db.getBinary(encodeUint64(first)) ?? new Uint8Array();
    expect(block).not.toHaveLength(0);
    change(block);
    await db.put(encodeUint64(first), block);
  });
}

function entries(first: number, last: number, sizeBytes = 16): Log[] {
  return Array.from({ length: last - first + 1 }, (_, i) => ({
    index: first + i,
    term: 1,
    type: LogType.LogCommand,
    data: new Uint8Array(sizeBytes),
    extensions: null,
    appendedAt: ZERO_TIME,
  }));
}

function coded(code: string, text: RegExp) {
  return expect.objectContaining({ code, message: expect.stringMatching(text) });
}

describe('LMDBStore', () => {
  it('reports only what is on the disk', async () => {
    const store = await openStore();
    const written = store.storeLogs(entries(1, 3));
    expect([store.firstIndex(), store.lastIndex()]).toEqual([0, 0]);
    expect(() => store.getLog(1)).toThrow(ErrLogNotFound);
    await written;
    expect([store.firstIndex(), store.lastIndex()]).toEqual([1, 3]);
    const deleted = store.deleteRange(1, 1);
    expect(store.firstIndex()).toBe(1);
    await deleted;
    expect(store.firstIndex()).toBe(2);
  });

  it('takes bytes at the call and gives bytes that stay', async () => {
    const store = await openStore();
    const data = utf8('set x=1');
    const written = store.storeLogs([{ ...entries(1, 1)[0], data } as Log]);
    data.fill(0);
    await written;
    const read = store.getLog(1);
    await store.replaceTail(1, entries(1, 500, 2000));
    expect(read.data).toEqual(utf8('set x=1'));
  });

  it('gives bytes of its own also of what lies in LMDB, and holds no block by them', async () => {
    await (await openStore()).storeLogs(entries(1, 300, 100));
    await opened.pop()?.close();
    const store = await openStore();
    for (let time = 0; time < 2; time += 1) {
      const { data } = store.getLog(7);
      expect(data).toEqual(new Uint8Array(100));
      expect(data?.buffer.byteLength).toBeLessThan(1000);
      data?.fill(9);
    }
    expect(store.getLogRange(6, 8, 1e6).map(({ data }) => data?.[0])).toEqual([0, 0, 0]);
  });

  it('shows a number as eight bytes, and refuses to read other bytes as a number', async () => {
    const store = await openStore();
    await store.setUint64(KEY_CURRENT_TERM, 258);
    expect(store.get(KEY_CURRENT_TERM)).toEqual(Uint8Array.of(0, 0, 0, 0, 0, 0, 1, 2));
    await store.set(KEY_CURRENT_TERM, utf8('three'));
    expect(() => store.getUint64(KEY_CURRENT_TERM)).toThrow(
      coded('ERR_STORE_CORRUPT', /"CurrentTerm".*8 bytes, got 5/),
    );
  });

  it('refuses bad arguments without stopping', async () => {
    const store = await openStore();
    const bad = coded('ERR_INVALID_ARGUMENT', /./);
    await expect(store.storeLogs([...entries(1, 2), ...entries(0, 0)])).rejects.toEqual(bad);
    await expect(store.storeLog({ ...entries(1, 1)[0], type: 9 } as never)).rejects.toEqual(bad);
    await expect(store.set(new Uint8Array(0), utf8('v'))).rejects.toEqual(bad);
    await expect(store.set(new Uint8Array(512), utf8('v'))).rejects.toEqual(bad);
    await expect(store.deleteRange(3, 2 ** 53)).rejects.toEqual(bad);
    await expect(newLMDBStore({ path: '' })).rejects.toEqual(bad);
    await expect(newLMDBStore({ path, mapSize: 1000 })).rejects.toEqual(bad);
    await store.storeLogs(entries(1, 1));
    expect(store.lastIndex()).toBe(1);
  });

  it('deletes a long head in steps that let other writes in between', async () => {
    const store = await openStore();
    await store.storeLogs(entries(1, 20_000));
    let deleted = false;
    const deletion = store.deleteRange(1, 19_990).then(() => {
      deleted = true;
    });
    let between = 0;
    while (!deleted) {
      await store.setUint64(KEY_CURRENT_TERM, between);
      const first = store.firstIndex();
      if (first > 1 && first <= 19_990) {
        between += 1;
        expect(() => store.getLog(first - 1)).toThrow(ErrLogNotFound);
        expect(store.getLog(first).index).toBe(first);
      }
    }
    await deletion;
    expect(between).toBeGreaterThan(5);
    expect([store.firstIndex(), store.lastIndex()]).toEqual([19_991, 20_000]);
  });

  it('waits for writes that were called before close, refuses those after', async () => {
    const store = await openStore();
    const written = store.storeLogs(entries(1, 3));
    const closed = store.close();
    const late = coded('ERR_STORE_CLOSED', /is closed$/);
    await expect(store.storeLogs(entries(4, 4))).rejects.toEqual(late);
    await expect(store.setUint64(KEY_CURRENT_TERM, 1)).rejects.toEqual(late);
    expect(() => store.lastIndex()).toThrow(late);
    expect(() => store.getLog(1)).toThrow(late);
    expect(() => store.get(KEY_CURRENT_TERM)).toThrow(late);
    await written;
    await closed;
    await store.close();
    expect((await openStore()).lastIndex()).toBe(3);
  });
});

describe('LMDBStore when it is full', () => {
  it('says so, stops, still has what it acknowledged, and goes on with more mapSize', async () => {
    const store = await openStore({ mapSize: 1 << 20 });
    const full = coded('ERR_STORE_FULL', /is full: .* of the 1048576 that mapSize allows/);
    let acknowledged = 0;
    const fill = async () => {
      for (let index = 1; ; index += 10) {
        await store.storeLogs(entries(index, index + 9, 1000));
        acknowledged = index + 9;
      }
    };
    await expect(fill()).rejects.toEqual(full);
    expect(acknowledged).toBeGreaterThan(500);
    await expect(store.setUint64(KEY_CURRENT_TERM, 1)).rejects.toEqual(
      coded('ERR_STORE_FAILED', /an earlier write to the store failed: .*is full/),
    );
    expect(store.lastIndex()).toBe(acknowledged);
    expect(store.getLog(acknowledged).index).toBe(acknowledged);
    await store.close();
    expect((await stat(join(path, 'data.mdb'))).size).toBeLessThan(1.2 * (1 << 20));

    const larger = await openStore({ mapSize: 2 << 20 });
    expect(larger.lastIndex()).toBe(acknowledged);
    await larger.storeLogs(entries(acknowledged + 1, acknowledged + 10, 1000));
  });

  it('can still vote and compact, and has room again afterwards', async () => {
    const store = await openStore({ mapSize: 1 << 20 });
    await store.storeLogs(entries(1, 800, 1000));
    // The first of them lie within a block with others, which are no more logs.
    await expect(store.storeLogs(entries(790, 1000, 1000))).rejects.toEqual(
      coded('ERR_STORE_FULL', /is full: with 211 more logs /),
    );
    await store.close();
    const again = await openStore({ mapSize: 1 << 20 });
    await again.setUint64(KEY_CURRENT_TERM, 2);
    await again.deleteRange(1, 700);
    await again.storeLogs(entries(801, 1000, 1000));
    expect([again.firstIndex(), again.lastIndex()]).toEqual([701, 1000]);
  });
});

describe('opening an LMDBStore', () => {
  const opening = (options = {}) => newLMDBStore({ path, ...options });

  it('refuses a directory that this process has open, under whatever name', async () => {
    const store = await openStore();
    const locked = coded('ERR_STORE_LOCKED', /already open in this process/);
    await expect(opening()).rejects.toEqual(locked);
    await expect(opening({ path: join(path, '.') })).rejects.toEqual(locked);
    await store.close();
    expect((await openStore()).lastIndex()).toBe(0);
  });

  it('refuses a path that is no directory', async () => {
    const file = join(path, 'file');
    await writeFile(file, 'x');
    await expect(opening({ path: file })).rejects.toEqual(coded('ERR_STORE_OPEN', /EEXIST/));
    const below = join(file, 'below');
    await expect(opening({ path: below })).rejects.toEqual(coded('ERR_STORE_OPEN', /ENOTDIR/));
  });

  it('refuses garbage and half a header in the place of the data file', async () => {
    for (const length of [1, 100, 4096, 5000, 20_000]) {
      await writeFile(join(path, 'data.mdb'), new Uint8Array(length).fill(0x5a));
      await expect(opening()).rejects.toEqual(coded('ERR_STORE_FORMAT', /no LMDB data file/));
    }
  });

  it("refuses another program's LMDB database and leaves it alone", async () => {
    await tamper('theirs', (db) => db.put(utf8('k'), utf8('v')));
    const before = await readFile(join(path, 'data.mdb'));
    await expect(opening()).rejects.toEqual(coded('ERR_STORE_FORMAT', /of another program/));
    expect((await readFile(join(path, 'data.mdb'))).equals(before)).toBe(true);
  });

  it('refuses a newer format by naming both versions', async () => {
    await (await openStore()).close();
    await tamper('', (db) => db.put(utf8('format'), utf8('quorate store 4')));
    await expect(opening()).rejects.toEqual(
      coded('ERR_STORE_VERSION', /format version 4, .* understands version 3/),
    );
    await tamper('', (db) => db.put(utf8('format'), utf8('minutes of the meeting')));
    await expect(opening()).rejects.toEqual(coded('ERR_STORE_FORMAT', /minutes of the meeting/));
  });

  it('names the index of a damaged record, and reads the others', async () => {
    const store = await openStore();
    await store.storeLogs(entries(1, 3));
    await store.setUint64(KEY_CURRENT_TERM, 5);
    await store.close();
    // The entries have 63 bytes each; this is one of the data of the second.
    await tamperBlock(1, (block) => block.fill(0x5a, 63 + 50, 63 + 51));
    await tamper('stable', (db) => db.put(KEY_CURRENT_TERM, encodeUint64(6)));
    const again = await openStore();
    expect(again.getLog(1).index).toBe(1);
    expect(again.getLog(3).index).toBe(3);
    const damaged = coded('ERR_STORE_CORRUPT', /^log 2 is damaged on disk/);
    expect(() => again.getLog(2)).toThrow(damaged);
    expect(() => again.getLogRange(1, 3, 1000)).toThrow(damaged);
    expect(() => again.getUint64(KEY_CURRENT_TERM)).toThrow(
      coded('ERR_STORE_CORRUPT', /^stable key "CurrentTerm" is damaged/),
    );
  });

  it('reads a block up to where it is damaged, and deletes it only whole', async () => {
    const store = await openStore();
    await store.storeLogs([...entries(1, 3), ...entries(4, 4, 70_000)]);
    await store.close();
    // The length of the second entry.
    await tamperBlock(1, (block) => block.fill(0xff, 63 + 8, 63 + 12));
    const again = await openStore();
    expect(again.getLog(1).index).toBe(1);
    expect(again.getLog(4).index).toBe(4);
    const damaged = /damaged on disk: the block of entry 1 cannot be read from byte 63 on/;
    for (const index of [2, 3]) {
      expect(() => again.getLog(index)).toThrow(coded('ERR_STORE_CORRUPT', damaged));
    }
    await expect(again.deleteRange(1, 2)).rejects.toEqual(coded('ERR_STORE_CORRUPT', damaged));
    await again.close();
    // A block that goes whole goes unread: a snapshot may cover what is damaged.
    const third = await openStore();
    await third.deleteRange(1, 3);
    expect([third.firstIndex(), third.lastIndex()]).toEqual([4, 4]);
  });

  it('overwrites in several blocks at once, and keeps what lies between', async () => {
    for (const places of [
      [5, 250],
      [250, 5],
      [299, 305, 5],
      [5, 305],
    ]) {
      const store = await newLMDBStore({ path: join(path, places.join('-')) });
      await store.storeLogs(entries(1, 300, 1000));
      const again = (index: number) =>
        entries(index, index, 10).map((log) => ({ ...log, term: 9 }));
      await Promise.all(places.map((index) => store.storeLogs(again(index))));
      for (let index = 1; index <= 300; index += 1) {
        expect(store.getLog(index).term === 9).toBe(places.includes(index));
      }
      expect(store.lastIndex()).toBe(Math.max(300, ...places));
      await store.close();
    }
  });

  it('rewrites no block that claims entries of the next one', async () => {
    const store = await openStore();
    await store.storeLogs([...entries(1, 3), ...entries(4, 4, 70_000)]);
    await store.close();
    // The last byte of the third entry's key.
    await tamperBlock(1, (block) => block.fill(4, 2 * 63 + 7, 2 * 63 + 8));
    const again = await openStore();
    const claims = /damaged on disk: the block of entry 1 reaches up to 4;/;
    await expect(again.deleteRange(1, 2)).rejects.toEqual(coded('ERR_STORE_CORRUPT', claims));
    expect(again.getLog(4).data?.length).toBe(70_000);
  });

  it('refuses a log whose last entry cannot be told', async () => {
    const store = await openStore();
    await store.storeLogs(entries(1, 3));
    await store.close();
    await tamperBlock(1, (block) => block.fill(0, 63, 63 + 8));
    await expect(opening()).rejects.toEqual(
      coded('ERR_STORE_CORRUPT', /^cannot open the store at .*from byte 63 on/),
    );
  });

  it('survives a data file that lost its end, with an error instead of a crash', async () => {
    const store = await openStore();
    await store.storeLogs(entries(1, 2000, 500));
    await store.close();
    const file = join(path, 'data.mdb');
    const { size } = await stat(file);
    for (const kept of [size * 0.75, size * 0.5, 3 * 4096, 2 * 4096]) {
      await truncate(file, kept - (kept % 4096));
      const outcome = newLMDBStore({ path }).then(async (again) => {
        try {
          for (let index = 1; index <= 2000; index += 1) again.getLog(index);
        } finally {
          await again.close();
        }
      });
      await expect(outcome).rejects.toMatchObject({
        code: expect.stringMatching(/^ERR_(STORE_(READ|CORRUPT|OPEN|FORMAT)|LOG_NOT_FOUND)$/),
      });
    }
  });
});
