import { describe, expect, it } from 'vitest';
import { utf8 } from '../internal/bytes.ts';
import { ZERO_TIME } from '../internal/timestamp.ts';
import { ErrKeyNotFound, ErrLogNotFound } from '../raft/errors.ts';
import { isMonotonicStore, type Log, LogType } from '../raft/log.ts';
import { InmemStore, newInmemStore } from './inmem-store.ts';

function entry(index: number, term = 1): Log {
  return {
    index,
    term,
    type: LogType.LogNoop,
    data: null,
    extensions: null,
    appendedAt: ZERO_TIME,
  };
}

describe('InmemStore', () => {
  it('keeps the very objects that it is given, and is not monotonic (S169, test 40)', () => {
    const store = newInmemStore();
    expect(store).toBeInstanceOf(InmemStore);
    const log = entry(4);
    store.storeLog(log);
    expect(store.getLog(4)).toBe(log);
    expect(isMonotonicStore(store)).toBe(false);
  });

  it('keeps numbers and bytes apart, and says "not found" only of bytes (S169)', () => {
    const store = newInmemStore();
    store.setUint64(utf8('n'), 5);
    expect(() => store.get(utf8('n'))).toThrow(ErrKeyNotFound);
    expect(store.getUint64(utf8('n'))).toBe(5);
    expect(store.getUint64(utf8('other'))).toBe(0);
    expect(() => store.get(utf8('other'))).toThrow('not found');
  });

  it('deletes from an empty log without harm (S169)', () => {
    const store = newInmemStore();
    store.deleteRange(0, 0);
    expect([store.firstIndex(), store.lastIndex()]).toEqual([0, 0]);
    store.storeLog(entry(1));
    expect([store.firstIndex(), store.lastIndex()]).toEqual([1, 1]);
  });

  it('deletes a range far wider than the log at once', () => {
    const store = newInmemStore();
    store.storeLogs([entry(3), entry(2 ** 50)]);
    store.deleteRange(4, Number.MAX_SAFE_INTEGER);
    expect([store.firstIndex(), store.lastIndex()]).toEqual([3, 3]);
  });

  it('refuses a batch with a bad index or term as a whole', () => {
    const store = newInmemStore();
    for (const bad of [entry(0), entry(-1), entry(1.5), entry(2 ** 53), entry(2, -1)]) {
      expect(() => store.storeLogs([entry(1), bad])).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
      );
    }
    expect(() => store.replaceTail(5, [entry(4)])).toThrow('must not lie below it, got 4');
    expect(() => store.deleteRange(-1, 4)).toThrow('start of the range must be an integer');
    expect(store.lastIndex()).toBe(0);
    expect(() => store.getLog(1)).toThrow(ErrLogNotFound);
  });
});
