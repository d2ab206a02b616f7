import { describe, expect, it } from 'vitest';
import {
  isLogType,
  isMonotonicStore,
  isRangeReading,
  isTailReplacing,
  type LogStore,
  logTypeToString,
} from './log.ts';

const store: LogStore = {
  firstIndex: () => 0,
  lastIndex: () => 0,
  getLog: () => expect.fail(),
  storeLog: () => {},
  storeLogs: () => {},
  deleteRange: () => {},
};

describe('the types of entries', () => {
  it('have Go’s numbers and names (S203)', () => {
    const names = [0, 1, 2, 3, 4, 5, 6].map(logTypeToString);
    expect(names).toEqual([
      'LogCommand',
      'LogNoop',
      'LogAddPeerDeprecated',
      'LogRemovePeerDeprecated',
      'LogBarrier',
      'LogConfiguration',
      '6',
    ]);
  });

  it('are told from other numbers', () => {
    expect([0, 5, 6, -1, 1.5, Number.NaN].map(isLogType)).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
    ]);
  });
});

describe('what a log store can do', () => {
  it('is nothing beyond the port unless it says so', () => {
    expect([isTailReplacing(store), isRangeReading(store), isMonotonicStore(store)]).toEqual([
      false,
      false,
      false,
    ]);
    expect(isTailReplacing({ ...store, replaceTail: () => {} } as LogStore)).toBe(true);
    expect(isRangeReading({ ...store, getLogRange: () => [] } as LogStore)).toBe(true);
    expect(isTailReplacing({ ...store, replaceTail: true } as LogStore)).toBe(false);
    expect(isRangeReading({ ...store, getLogRange: null } as LogStore)).toBe(false);
  });

  it('is monotonic only when it answers so (test 40)', () => {
    const saying = (answer: unknown) => ({ ...store, isMonotonic: () => answer }) as LogStore;
    expect([true, false, 'yes'].map((answer) => isMonotonicStore(saying(answer)))).toEqual([
      true,
      false,
      false,
    ]);
    expect(isMonotonicStore({ ...store, isMonotonic: true } as LogStore)).toBe(false);
  });
});
