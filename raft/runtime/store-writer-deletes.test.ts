import { describe, expect, it } from 'vitest';
import {
  AbleHookedStore,
  HookedStore,
  logOf,
  turn,
  VirtualTime,
} from '../../testing/runtime-fixture.ts';
import { ErrRaftShutdown } from '../errors.ts';
import { StoreWriter } from './store-writer.ts';

const LIMIT_MS = 10_000;

function logsOf(first: number, last: number, term = 1) {
  return Array.from({ length: last - first + 1 }, (_, i) => logOf(first + i, term));
}

function setUp(store: HookedStore = new AbleHookedStore(), durableIndex = 0) {
  const time = new VirtualTime();
  const failures: Error[] = [];
  const stores = { logs: store, stable: store };
  const onFailure = (error: Error): void => void failures.push(error);
  const writer = new StoreWriter(stores, time.clock, durableIndex, LIMIT_MS, onFailure);
  return { time, store, writer, failures };
}

describe('a log that is deleted as a whole, or from far back', () => {
  const LONG = 20_000;

  /** A store that answers for each delete after most of the limit. */
  function setUpSlow(store: HookedStore) {
    const all = setUp(store, LONG);
    store.inner.storeLogs(logsOf(1, LONG));
    store.onWrite = (what) =>
      what.startsWith('delete') ? all.time.clock.sleep(LIMIT_MS * 0.9) : undefined;
    return all;
  }

  it('goes in chunks from its end, none of which is taken for a dead disk', async () => {
    const { writer, store, time, failures } = setUpSlow(new AbleHookedStore());
    await time.result(writer.dropLog(), 10 * LIMIT_MS);
    expect(failures).toEqual([]);
    expect(store.writes).toEqual([
      'delete 15905-20000',
      'delete 11809-15904',
      'delete 7713-11808',
      'delete 3617-7712',
      'delete 1-3616',
    ]);
    expect(store.lastIndex()).toBe(0);
  });

  it.each([
    ['that replaces tails', new AbleHookedStore(), 'replace 100 by 100-100'],
    ['that cannot', new HookedStore(), 'store 100-100'],
  ])('goes in chunks under the entries of a new leader, in a store %s', async (_, slow, end) => {
    const { writer, store, time, failures } = setUpSlow(slow);
    await time.result(writer.replaceTail(100, LONG, logsOf(100, 100, 2)), 10 * LIMIT_MS);
    expect(failures).toEqual([]);
    expect(store.writes[0]).toBe('delete 15905-20000');
    expect(store.writes.at(-1)).toBe(end);
    expect([store.firstIndex(), store.lastIndex(), writer.durableIndex]).toEqual([1, 100, 100]);
  });

  it('skips a hole in one step', async () => {
    const { writer, store } = setUp();
    store.inner.storeLogs(logsOf(1, 3));
    store.inner.storeLogs(logsOf(1_000_000_000, 1_000_000_001));
    await writer.dropLog();
    expect(store.writes).toHaveLength(2);
  });

  it('is given up when one chunk hangs, and when the node stops', async () => {
    const { writer, store, time, failures } = setUpSlow(new AbleHookedStore());
    let deletes = 0;
    store.onWrite = () => {
      deletes += 1;
      return deletes === 3 ? time.clock.sleep(2 * LIMIT_MS) : undefined;
    };
    await expect(time.result(writer.dropLog(), 10 * LIMIT_MS)).rejects.toThrow(
      'dropLog has not been answered',
    );
    await time.pass(2 * LIMIT_MS);
    expect([deletes, failures.length]).toEqual([3, 1]);

    const stopping = setUpSlow(new AbleHookedStore());
    const dropped = stopping.writer.dropLog();
    await turn();
    stopping.writer.close(ErrRaftShutdown);
    await expect(stopping.time.result(dropped)).rejects.toBe(ErrRaftShutdown);
    expect(stopping.store.writes).toHaveLength(1);
  });

  it('fails when the store says that it deletes and does not', async () => {
    const { writer, store } = setUp();
    store.inner.storeLogs(logsOf(1, 3));
    store.deleteRange = () => undefined;
    await expect(writer.dropLog()).rejects.toThrow('entry 3 is still there after its deletion');
  });
});
