import { describe, expect, it } from 'vitest';
import { type Deferred, newDeferred } from '../internal/deferred.ts';
import { ZERO_TIME } from '../internal/timestamp.ts';
import { ErrLogNotFound, RaftError } from '../raft/errors.ts';
import {
  isMonotonicStore,
  isRangeReading,
  isTailReplacing,
  type Log,
  type LogStore,
  LogType,
} from '../raft/log.ts';
import { newInmemStore } from './inmem-store.ts';
import { LogCache, newLogCache } from './log-cache.ts';

function entry(index: number, term = 1): Log {
  return {
    index,
    term,
    type: LogType.LogCommand,
    data: new Uint8Array(10),
    extensions: null,
    appendedAt: ZERO_TIME,
  };
}

function entries(first: number, last: number): Log[] {
  return Array.from({ length: last - first + 1 }, (_, i) => entry(first + i));
}

/** Only the port itself, none of the optional abilities. */
function plain(store: LogStore): LogStore {
  return {
    firstIndex: () => store.firstIndex(),
    lastIndex: () => store.lastIndex(),
    getLog: (index) => store.getLog(index),
    storeLog: (log) => store.storeLog(log),
    storeLogs: (logs) => store.storeLogs(logs),
    deleteRange: (min, max) => store.deleteRange(min, max),
  };
}

/** A store whose writes happen when the test lets them. */
function slow(store: LogStore): { store: LogStore; gates: Deferred<void>[] } {
  const gates: Deferred<void>[] = [];
  const after = async (write: () => unknown) => {
    const gate = newDeferred<void>();
    gates.push(gate);
    await gate.promise;
    await write();
  };
  return {
    gates,
    store: {
      ...plain(store),
      storeLogs: (logs) => after(() => store.storeLogs(logs)),
      deleteRange: (min, max) => after(() => store.deleteRange(min, max)),
    },
  };
}

describe('LogCache', () => {
  it('reads through, writes through, and forgets what it deletes (S168, test 95)', async () => {
    const store = newInmemStore();
    const cache = newLogCache(16, store);
    store.storeLogs(entries(1, 32));
    expect(cache.firstIndex()).toBe(1);
    expect(cache.lastIndex()).toBe(32);
    expect(cache.getLog(1)).toMatchObject({ index: 1 });

    cache.storeLogs(entries(33, 34));
    expect(cache.lastIndex()).toBe(34);
    expect(store.getLog(33)).toMatchObject({ index: 33 });
    expect(store.getLog(34)).toMatchObject({ index: 34 });

    store.deleteRange(33, 34);
    expect(cache.getLog(33)).toMatchObject({ index: 33 });
    expect(cache.getLog(34)).toMatchObject({ index: 34 });
    cache.deleteRange(33, 34);
    expect(() => cache.getLog(33)).toThrow(ErrLogNotFound);
    expect(() => cache.getLog(34)).toThrow(ErrLogNotFound);
  });

  it('does not keep what the store behind failed to keep (S168, test 96, #460)', () => {
    const store = newInmemStore();
    const failing: LogStore = {
      ...plain(store),
      storeLogs: () => {
        throw new Error('some error');
      },
    };
    const cache = newLogCache(16, failing);
    store.storeLogs(entries(1, 4));
    expect(() => cache.storeLog(entry(5))).toThrow(
      'unable to store logs within log store, err: "some error"',
    );
    for (let index = 1; index < 5; index += 1) expect(cache.getLog(index)).toMatchObject({ index });
    expect(() => cache.getLog(5)).toThrow(ErrLogNotFound);
  });

  it('passes on the code and the cause of a rejected write (S168)', async () => {
    const full = new RaftError('ERR_STORE_FULL', 'no space');
    const failing = { ...plain(newInmemStore()), storeLogs: () => Promise.reject(full) };
    const cache = newLogCache(4, failing);
    await expect(cache.storeLog(entry(1))).rejects.toMatchObject({
      code: 'ERR_STORE_FULL',
      cause: full,
    });
    expect(() => cache.getLog(1)).toThrow(ErrLogNotFound);
  });

  it('wants a capacity of one or more (S168)', () => {
    for (const capacity of [0, -1, 1.5, Number.NaN]) {
      expect(() => newLogCache(capacity, newInmemStore())).toThrow('capacity must be positive');
    }
    expect(newLogCache(1, newInmemStore())).toBeInstanceOf(LogCache);
  });

  it('is as monotonic as the store behind (S168, test 40)', () => {
    const inmem = newInmemStore();
    expect(isMonotonicStore(newLogCache(1, inmem))).toBe(false);
    const monotonic = { ...plain(inmem), isMonotonic: () => true };
    expect(isMonotonicStore(newLogCache(1, monotonic))).toBe(true);
  });

  it('has the optional abilities of the store behind and no others', () => {
    const able = newLogCache(4, newInmemStore());
    expect([isTailReplacing(able), isRangeReading(able)]).toEqual([true, true]);
    const unable = newLogCache(4, plain(newInmemStore()));
    expect([isTailReplacing(unable), isRangeReading(unable)]).toEqual([false, false]);
  });

  it('serves a range from memory when all of it is there, else asks the store behind', () => {
    const store = newInmemStore();
    const cache = newLogCache(4, store);
    cache.storeLogs(entries(1, 8));
    store.deleteRange(7, 8);
    expect(cache.getLogRange?.(5, 8, 1000)).toHaveLength(4);
    expect(cache.getLogRange?.(5, 9, 25)).toHaveLength(2);
    expect(cache.getLogRange?.(4, 6, 1000)).toHaveLength(3);
    expect(() => cache.getLogRange?.(4, 8, 1000)).toThrow(ErrLogNotFound);
  });

  it('shares what it holds, at slot index mod capacity, and keeps no miss (S168)', () => {
    const store = newInmemStore();
    const cache = newLogCache(4, store);
    const logs = entries(1, 6);
    cache.storeLogs(logs);
    store.deleteRange(1, 6);
    expect([3, 4, 5, 6].map((index) => cache.getLog(index))).toEqual(logs.slice(2));
    expect(cache.getLog(6)).toBe(logs[5]);
    expect(() => cache.getLog(2)).toThrow(ErrLogNotFound);
    store.storeLog(entry(2));
    expect(cache.getLog(2)).toMatchObject({ index: 2 });
    store.deleteRange(2, 2);
    expect(() => cache.getLog(2)).toThrow(ErrLogNotFound);
    expect([cache.firstIndex(), cache.lastIndex()]).toEqual([0, 0]);
  });

  it('shows a new tail from memory and never the old one', () => {
    const store = newInmemStore();
    const cache = newLogCache(8, store);
    cache.storeLogs(entries(1, 8));
    cache.replaceTail?.(5, [entry(5, 2)]);
    store.deleteRange(1, 5);
    expect(cache.getLog(5)).toMatchObject({ term: 2 });
    expect(cache.getLog(4)).toMatchObject({ term: 1 });
    expect(() => cache.getLog(6)).toThrow(ErrLogNotFound);
  });

  it('does not fill from a write that was under way when a deletion began', async () => {
    const { store, gates } = slow(newInmemStore());
    const cache = newLogCache(8, store);
    const written = cache.storeLogs(entries(1, 3));
    const deleted = cache.deleteRange(2, 3);
    for (const gate of gates) gate.resolve();
    await Promise.all([written, deleted]);
    expect(() => cache.getLog(3)).toThrow(ErrLogNotFound);
    expect(cache.lastIndex()).toBe(1);
  });

  it('fills from a write that was called after the deletion', async () => {
    const inmem = newInmemStore();
    const { store, gates } = slow(inmem);
    const cache = newLogCache(8, store);
    const answers = [cache.deleteRange(1, 3), cache.storeLogs(entries(1, 3))];
    for (const gate of gates) gate.resolve();
    await Promise.all(answers);
    inmem.deleteRange(1, 3);
    expect(cache.getLog(3)).toMatchObject({ index: 3 });
  });
});
