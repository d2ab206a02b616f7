import { describe, expect, it } from 'vitest';
import { AbleHookedStore, Gate, HookedStore, logOf, turn } from '../../testing/runtime-fixture.ts';
import { ErrLogNotFound } from '../errors.ts';
import type { Log } from '../log.ts';
import { Entries, sizeOf } from './entries.ts';

function logsOf(first: number, last: number, size = 4) {
  return Array.from({ length: last - first + 1 }, (_, i) => logOf(first + i, 1, size));
}

function indexes(logs: readonly Log[]): number[] {
  return logs.map(({ index }) => index);
}

const ALL = Number.MAX_SAFE_INTEGER;

describe.each([
  ['reads ranges', AbleHookedStore],
  ['reads one by one', HookedStore],
])('with a store that %s', (_, Store) => {
  function setUp(stored: number, recent: readonly Log[]) {
    const store = new Store();
    store.inner.storeLogs(logsOf(1, stored));
    const reads: number[] = [];
    store.onRead = (index) => void reads.push(index);
    const entries = new Entries(store);
    entries.append(recent, stored);
    return { store, entries, reads };
  }

  it('the newest come from memory, without a look at the store', async () => {
    const { entries, reads } = setUp(10, logsOf(8, 12));
    expect(indexes(await entries.read(9, 12, ALL))).toEqual([9, 10, 11, 12]);
    expect(reads).toEqual([]);
  });

  it('older ones come from the store, up to where memory begins', async () => {
    const { entries } = setUp(10, logsOf(8, 12));
    expect(indexes(await entries.read(5, 12, ALL))).toEqual([5, 6, 7]);
    expect(indexes(await entries.read(3, 4, ALL))).toEqual([3, 4]);
  });

  it('everything comes from the store when memory is empty', async () => {
    const { entries } = setUp(10, []);
    expect(indexes(await entries.read(2, 10, ALL))).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it('as many come as fit, and at least one', async () => {
    const { entries } = setUp(10, logsOf(8, 12));
    const two = 2 * sizeOf(logOf(1, 1));
    expect(indexes(await entries.read(9, 12, two))).toEqual([9, 10]);
    expect(indexes(await entries.read(9, 12, 1))).toEqual([9]);
    expect(indexes(await entries.read(2, 7, 4))[0]).toBe(2);
    expect((await entries.read(2, 7, 4)).length).toBeLessThan(6);
    expect(await entries.read(2, 7, 0)).toHaveLength(1);
  });

  it('none come for an empty range', async () => {
    const { entries } = setUp(10, logsOf(8, 12));
    expect(await entries.read(13, 12, ALL)).toEqual([]);
  });

  it('a missing one is ErrLogNotFound, at once or later', async () => {
    const { entries, store } = setUp(10, []);
    const read = async () => entries.read(9, 11, ALL);
    await expect(read()).rejects.toBe(ErrLogNotFound);
    store.onRead = () => Promise.resolve();
    await expect(read()).rejects.toBe(ErrLogNotFound);
  });

  it('they come later when the store needs time', async () => {
    const { entries, store } = setUp(10, []);
    const gate = new Gate();
    store.onRead = gate.pass;
    let read: number[] = [];
    void Promise.resolve(entries.read(4, 6, ALL)).then((logs) => {
      read = indexes(logs);
    });
    await turn();
    expect(read).toEqual([]);
    gate.open();
    await turn();
    expect(read).toEqual([4, 5, 6]);
  });
});

it('a store that is asynchronous one by one keeps to the limit too', async () => {
  const store = new HookedStore();
  store.inner.storeLogs(logsOf(1, 10));
  store.onRead = () => Promise.resolve();
  const entries = new Entries(store);
  expect(await entries.read(3, 9, 2 * sizeOf(logOf(1, 1)))).toHaveLength(2);
  expect(await entries.read(3, 9, 1)).toHaveLength(1);
});

describe('memory', () => {
  it('takes the entries that replace others instead of them', async () => {
    const entries = new Entries(new HookedStore());
    entries.append(logsOf(1, 5), 0);
    entries.append([logOf(3, 2), logOf(4, 2)], 0);
    const read = await entries.read(1, 9, ALL);
    expect(read.map(({ index, term }) => `${index}@${term}`)).toEqual(['1@1', '2@1', '3@2', '4@2']);
    expect(entries.bytes).toBe(read.reduce((sum, log) => sum + sizeOf(log), 0));
  });

  it('starts anew behind a gap', async () => {
    const store = new HookedStore();
    const entries = new Entries(store);
    entries.append(logsOf(1, 3), 3);
    entries.append(logsOf(10, 11), 3);
    expect(indexes(await entries.read(10, 11, ALL))).toEqual([10, 11]);
    await expect((async () => entries.read(3, 3, ALL))()).rejects.toBe(ErrLogNotFound);
  });

  it('lets the oldest go once there are many, and finds them in the store', async () => {
    const store = new AbleHookedStore();
    const logs = logsOf(1, 20_000);
    store.inner.storeLogs(logs);
    const entries = new Entries(store);
    for (let at = 0; at < logs.length; at += 100) entries.append(logs.slice(at, at + 100), at);
    expect(entries.bytes).toBeLessThanOrEqual(8192 * sizeOf(logOf(1, 1)));
    expect(indexes(await entries.read(1, 2, ALL))).toEqual([1, 2]);
    store.onRead = () => {
      throw new Error('not in memory');
    };
    expect(indexes(await entries.read(19_999, 20_000, ALL))).toEqual([19_999, 20_000]);
    await expect((async () => entries.read(1, 2, ALL))()).rejects.toThrow('not in memory');
  });

  it('lets the oldest go once they are large', () => {
    const entries = new Entries(new HookedStore());
    const megabyte = 1024 * 1024;
    for (let index = 1; index <= 64; index += 1) {
      entries.append([logOf(index, 1, megabyte)], index);
    }
    expect(entries.bytes).toBeLessThanOrEqual(33 * megabyte);
    expect(entries.bytes).toBeGreaterThan(30 * megabyte);
  });

  it('never lets go what is not durable: no store could give it back', async () => {
    const entries = new Entries(new HookedStore());
    entries.append(logsOf(1, 20_000), 0);
    entries.append(logsOf(20_001, 20_002), 5);
    expect(indexes(await entries.read(6, 7, ALL))).toEqual([6, 7]);
    entries.append(logsOf(20_003, 20_003), 20_002);
    expect(entries.bytes).toBe(8192 * sizeOf(logOf(1, 1)));
  });

  it('is given back when it is cleared or cut', () => {
    const entries = new Entries(new HookedStore());
    entries.append(logsOf(1, 10), 0);
    entries.truncateFrom(4);
    expect(entries.bytes).toBe(3 * sizeOf(logOf(1, 1)));
    entries.clear();
    expect(entries.bytes).toBe(0);
  });
});
