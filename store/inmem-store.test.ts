import { describe, expect, it } from 'vitest';
import { utf8 } from '../internal/bytes.ts';
import { randomInteger, seededRandom } from '../internal/random.ts';
import { Timestamp, ZERO_TIME } from '../internal/timestamp.ts';
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

function command(index: number, term: number, size: number): Log {
  const data = new Uint8Array(size).fill(index % 251);
  const extensions = index % 3 === 0 ? utf8(`e${index}`) : null;
  const appendedAt = new Timestamp(1_700_000_000 + index, 123_456_789, 3600);
  return { index, term, type: LogType.LogCommand, data, extensions, appendedAt };
}

describe('InmemStore', () => {
  it('keeps the very objects that it was given last, and is not monotonic (S169, test 40)', () => {
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

  it('gives old entries back as they were given, whatever becomes of their bytes', () => {
    const store = newInmemStore();
    const given = Array.from({ length: 3000 }, (_, i) => command(i + 1, 1, i % 40));
    store.storeLogs(given);
    for (const log of given) log.data?.fill(0xff);
    expect(store.getLog(1)).toEqual(command(1, 1, 0));
    expect(store.getLog(39)).toEqual(command(39, 1, 38));
    store.getLog(39).data?.fill(0xee);
    expect(store.getLogRange(38, 40, 1000)).toEqual([38, 39, 40].map((i) => command(i, 1, i - 1)));
  });

  it('is a map of what was stored, however far back it is overwritten and deleted', () => {
    for (const seed of [1, 2, 3]) {
      const random = seededRandom(seed);
      const model = new Map<number, Log>();
      const store = newInmemStore();
      const someIndex = () => randomInteger(random, 1, 4000);
      const some = (start: number, most: number) => {
        const count = randomInteger(random, 1, most);
        const term = randomInteger(random, 1, 9);
        const size = randomInteger(random, 0, 50) === 0 ? 20_000 : 9;
        return Array.from({ length: count }, (_, i) => command(start + i, term, size));
      };
      const cut = (min: number, max: number) => {
        for (const index of model.keys()) if (index >= min && index <= max) model.delete(index);
      };
      for (let step = 0; step < 150; step += 1) {
        const start = someIndex();
        const kind = randomInteger(random, 0, 9);
        const logs = some(start, kind < 6 ? 900 : 5);
        if (kind === 8) {
          const max = start + randomInteger(random, 0, 700);
          store.deleteRange(start, max);
          cut(start, max);
          continue;
        }
        if (kind === 9) {
          store.replaceTail(start, logs);
          cut(start, Number.MAX_SAFE_INTEGER);
        } else {
          store.storeLogs(logs);
        }
        for (const log of logs) model.set(log.index, log);
        const indexes = [...model.keys()].sort((a, b) => a - b);
        expect([store.firstIndex(), store.lastIndex()]).toEqual([indexes[0], indexes.at(-1)]);
        for (let look = 0; look < 20; look += 1) {
          const index = someIndex();
          const log = model.get(index);
          if (log === undefined) expect(() => store.getLog(index)).toThrow(ErrLogNotFound);
          else expect(store.getLog(index)).toEqual(log);
        }
      }
    }
  });

  it('keeps what no format has room for, however old it is', () => {
    const store = newInmemStore();
    const odd = Object.assign(entry(7), { type: 200 });
    store.storeLogs([odd, ...Array.from({ length: 3000 }, (_, i) => entry(i + 8))]);
    expect(store.getLog(7)).toBe(odd);
    expect(store.getLog(8)).toEqual(entry(8));
    expect(store.firstIndex()).toBe(7);
  });
});
