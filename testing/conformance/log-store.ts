import { assert } from '../../internal/assert.ts';
import { bytesEqual, utf8 } from '../../internal/bytes.ts';
import { Timestamp, ZERO_TIME } from '../../internal/timestamp.ts';
import { ErrLogNotFound } from '../../raft/errors.ts';
import {
  isMonotonicStore,
  isRangeReading,
  isTailReplacing,
  type Log,
  type LogStore,
  LogType,
} from '../../raft/log.ts';
import {
  assertSame,
  type ConformanceCase,
  failureOf,
  type StoreFactory,
  storeCase,
} from './conformance.ts';

const NOW = new Timestamp(1_700_000_000, 123_456_789, 3600);

/** An entry whose data name its index and term. */
function entry(index: number, term = 1): Log {
  const data = utf8(`${index}@${term}`);
  return { index, term, type: LogType.LogCommand, data, extensions: null, appendedAt: NOW };
}

function entries(first: number, last: number, term = 1): Log[] {
  return Array.from({ length: last - first + 1 }, (_, i) => entry(first + i, term));
}

function assertEntry(actual: Log, expected: Log): void {
  const what = `log ${expected.index}`;
  assertSame(`${what}: index`, actual.index, expected.index);
  assertSame(`${what}: term`, actual.term, expected.term);
  assertSame(`${what}: type`, actual.type, expected.type);
  assert(bytesEqual(actual.data, expected.data), `${what}: data ${actual.data}`);
  assert(bytesEqual(actual.extensions, expected.extensions), `${what}: ${actual.extensions}`);
  const [at, expectedAt] = [Timestamp.from(actual.appendedAt), expected.appendedAt];
  assertSame(`${what}: appendedAt`, at.getTime(), expectedAt.getTime());
  assertSame(`${what}: nanoseconds`, at.nanoseconds, expectedAt.nanoseconds);
  assertSame(`${what}: zone`, at.zoneOffsetSeconds, expectedAt.zoneOffsetSeconds);
}

async function assertMissing(store: LogStore, index: number): Promise<void> {
  const thrown = await failureOf(`getLog(${index})`, () => store.getLog(index));
  assertSame(`getLog(${index}) fails with`, thrown, ErrLogNotFound);
}

/** Fails unless the store holds exactly these, between the index before and the index after. */
async function assertHolds(store: LogStore, expected: readonly Log[]): Promise<void> {
  const first = expected[0]?.index ?? 0;
  const last = expected.at(-1)?.index ?? 0;
  assertSame('firstIndex', await store.firstIndex(), first);
  assertSame('lastIndex', await store.lastIndex(), last);
  const byIndex = new Map(expected.map((log) => [log.index, log]));
  for (let index = first; index <= last + 1; index += 1) {
    const log = byIndex.get(index);
    if (log === undefined) await assertMissing(store, index);
    else assertEntry(await store.getLog(index), log);
  }
}

const reading: [string, (store: LogStore) => Promise<void>][] = [
  [
    'an empty log has first and last index 0 and no entry (S167)',
    (store) => assertHolds(store, []),
  ],
  [
    'what was stored is read back, one entry or many',
    async (store) => {
      await store.storeLog(entry(1));
      await store.storeLogs(entries(2, 5));
      await assertHolds(store, entries(1, 5));
      await assertMissing(store, 0);
      await assertMissing(store, 1_000_000);
    },
  ],
  [
    'a missing entry is exactly ErrLogNotFound (S167)',
    async (store) => {
      await assertMissing(store, 1);
      await store.storeLogs(entries(10, 12));
      await assertMissing(store, 9);
      await assertMissing(store, 13);
    },
  ],
  [
    'storing nothing changes nothing',
    async (store) => {
      await store.storeLogs([]);
      await assertHolds(store, []);
    },
  ],
  [
    'an entry stored again takes the place of the one before, unless the store is monotonic',
    async (store) => {
      if (isMonotonicStore(store)) return;
      await store.storeLogs(entries(1, 3, 1));
      await store.storeLogs(entries(2, 3, 2));
      await assertHolds(store, [entry(1, 1), ...entries(2, 3, 2)]);
    },
  ],
  [
    'every type, null and empty bytes, times to the nanosecond with their zone are kept (S200)',
    async (store) => {
      const times = [ZERO_TIME, NOW, new Timestamp(-1, 999_999_999), new Timestamp(5, 1, -12_600)];
      const bodies = [null, new Uint8Array(0), Uint8Array.of(0, 255, 128)];
      const logs = Object.values(LogType).flatMap((type, i) =>
        bodies.map((body, j) => ({
          index: i * bodies.length + j + 1,
          term: Number.MAX_SAFE_INTEGER - i,
          type,
          data: body,
          extensions: bodies[(j + i) % bodies.length] ?? null,
          appendedAt: times[(i + j) % times.length] ?? NOW,
        })),
      );
      await store.storeLogs(logs);
      await assertHolds(store, logs);
    },
  ],
  [
    'the entries are taken at the call: the caller may reuse its array',
    async (store) => {
      const batch = entries(1, 3);
      const answer = store.storeLogs(batch);
      batch.length = 0;
      await answer;
      await assertHolds(store, entries(1, 3));
    },
  ],
  [
    'a batch with an index or a term that is no whole number is refused as a whole',
    async (store) => {
      await store.storeLog(entry(1));
      for (const bad of [Number.NaN, 2.5, -1, 2 ** 53]) {
        for (const wrong of [
          { ...entry(3), index: bad },
          { ...entry(3), term: bad },
        ]) {
          await failureOf(`an entry with ${bad}`, () => store.storeLogs([entry(2), wrong]));
        }
      }
      await assertHolds(store, [entry(1)]);
    },
  ],
  [
    'a large entry is kept',
    async (store) => {
      const data = Uint8Array.from({ length: 300_000 }, (_, i) => i % 251);
      await store.storeLog({ ...entry(1), data });
      await assertHolds(store, [{ ...entry(1), data }]);
    },
  ],
];

const deleting: [string, (store: LogStore) => Promise<void>][] = [
  [
    'deleteRange includes both ends: head, tail, one entry, everything (S167)',
    async (store) => {
      await store.storeLogs(entries(1, 20));
      await store.deleteRange(1, 5);
      await assertHolds(store, entries(6, 20));
      await store.deleteRange(15, 20);
      await assertHolds(store, entries(6, 14));
      await store.deleteRange(6, 6);
      await assertHolds(store, entries(7, 14));
      await store.deleteRange(7, 14);
      await assertHolds(store, []);
      await store.storeLogs(entries(100, 101));
      await assertHolds(store, entries(100, 101));
    },
  ],
  [
    'deleteRange of what is not there is no error',
    async (store) => {
      await store.deleteRange(0, 0);
      await store.deleteRange(1, 10);
      await assertHolds(store, []);
      await store.storeLogs(entries(5, 6));
      await store.deleteRange(1, 4);
      await store.deleteRange(7, 9);
      await store.deleteRange(6, 5);
      await assertHolds(store, entries(5, 6));
    },
  ],
  [
    'deleteRange may reach beyond the log on both sides',
    async (store) => {
      await store.storeLogs(entries(5, 9));
      await store.deleteRange(0, 6);
      await assertHolds(store, entries(7, 9));
      await store.deleteRange(8, Number.MAX_SAFE_INTEGER);
      await assertHolds(store, entries(7, 7));
      await store.deleteRange(0, Number.MAX_SAFE_INTEGER);
      await assertHolds(store, []);
    },
  ],
  [
    'a log may have a hole, unless the store says that it is monotonic (S167)',
    async (store) => {
      if (isMonotonicStore(store)) return;
      const far = 2 ** 40;
      await store.storeLogs(entries(1, 3));
      await store.storeLogs(entries(far, far + 2));
      assertSame('firstIndex', await store.firstIndex(), 1);
      assertSame('lastIndex', await store.lastIndex(), far + 2);
      await assertMissing(store, 4);
      await assertMissing(store, far - 1);
      await store.deleteRange(1, 10);
      await assertHolds(store, entries(far, far + 2));
      await store.storeLogs(entries(20, 21));
      await store.deleteRange(far, far + 2);
      await assertHolds(store, entries(20, 21));
    },
  ],
  [
    'a long head goes, in order with what was called before and after',
    async (store) => {
      await store.storeLogs(entries(1, 5000));
      const calls = [store.deleteRange(1, 4000)];
      for (let index = 5001; index <= 5010; index += 1) calls.push(store.storeLog(entry(index)));
      calls.push(store.deleteRange(4001, 4990), store.deleteRange(5005, 5010));
      await Promise.all(calls);
      await assertHolds(store, entries(4991, 5004));
    },
  ],
  [
    'a long deletion does not catch what is stored after it was called',
    async (store) => {
      if (isMonotonicStore(store)) return;
      await store.storeLogs(entries(1, 5000));
      await Promise.all([store.deleteRange(1, 4990), store.storeLogs(entries(4980, 4985, 2))]);
      await assertHolds(store, [...entries(4980, 4985, 2), ...entries(4991, 5000)]);
    },
  ],
  [
    'writes take effect in the order of the calls, though nobody waits between them (S167)',
    async (store) => {
      const calls = [];
      for (let term = 1; term <= 20; term += 1) {
        if (isMonotonicStore(store)) calls.push(store.deleteRange(1, 10));
        calls.push(store.storeLogs(entries(1, 10, term)));
        calls.push(store.deleteRange(5, 10));
        calls.push(store.storeLog(entry(5, term)));
      }
      await Promise.all(calls);
      await assertHolds(store, entries(1, 5, 20));
    },
  ],
];

const abilities: [string, (store: LogStore) => Promise<void>][] = [
  [
    'replaceTail (when there) cuts and stores: in the middle, at the start, beyond the end',
    async (store) => {
      if (!isTailReplacing(store)) return;
      await store.storeLogs(entries(1, 10, 1));
      await store.replaceTail(6, entries(6, 7, 2));
      await assertHolds(store, [...entries(1, 5, 1), ...entries(6, 7, 2)]);
      await store.replaceTail(8, entries(8, 9, 3));
      await assertHolds(store, [...entries(1, 5, 1), ...entries(6, 7, 2), ...entries(8, 9, 3)]);
      await store.replaceTail(1, entries(1, 2, 4));
      await assertHolds(store, entries(1, 2, 4));
      await store.replaceTail(2, []);
      await assertHolds(store, entries(1, 1, 4));
      await store.replaceTail(1, []);
      await assertHolds(store, []);
      await store.replaceTail(3, entries(3, 4, 5));
      await assertHolds(store, entries(3, 4, 5));
    },
  ],
  [
    'replaceTail (when there) shows either the old tail or the new one, in order with other writes',
    async (store) => {
      if (!isTailReplacing(store)) return;
      await store.storeLogs(entries(1, 8, 1));
      const calls = [];
      for (let term = 2; term <= 10; term += 1) {
        calls.push(store.replaceTail(4, entries(4, 3 + term, term)));
        calls.push(store.storeLog(entry(4 + term, term)));
      }
      let pending = true;
      const answers = Promise.all(calls).finally(() => {
        pending = false;
      });
      while (pending) {
        assertSame('log 3 stays, its term', (await store.getLog(3)).term, 1);
        const [head, second] = [await store.getLog(4), await store.getLog(5)];
        assert(second.term >= head.term, `log 4 of term ${head.term} before ${second.term}`);
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
      await answers;
      await assertHolds(store, [...entries(1, 3, 1), ...entries(4, 14, 10)]);
    },
  ],
  [
    'getLogRange (when there) reads what fits, at least one entry, and misses nothing silently',
    async (store) => {
      if (!isRangeReading(store)) return;
      const logs = entries(1, 9).map((log) => ({ ...log, data: new Uint8Array(100) }));
      await store.storeLogs(logs);
      const cases = [
        { maxBytes: 1_000_000, length: 5 },
        { maxBytes: 500, length: 5 },
        { maxBytes: 499, length: 4 },
        { maxBytes: 1, length: 1 },
        { maxBytes: 0, length: 1 },
      ];
      for (const { maxBytes, length } of cases) {
        const read = await store.getLogRange(3, 7, maxBytes);
        assertSame(`entries in ${maxBytes} bytes`, read.length, length);
        for (const [i, log] of read.entries()) assertSame('index', log.index, 3 + i);
      }
      const beyond = await failureOf('getLogRange', () => store.getLogRange(8, 10, 10_000));
      assertSame('a range beyond the end fails with', beyond, ErrLogNotFound);
    },
  ],
];

/** The contract of `LogStore`, as cases for any test runner. Run each by itself. */
export function logStoreConformance(factory: StoreFactory<LogStore>): ConformanceCase[] {
  const cases = [...reading, ...deleting, ...abilities].map(([name, check]) =>
    storeCase(factory, name, check),
  );
  const { reopen } = factory;
  if (reopen === undefined) return cases;
  return [...cases, ...reopenCases(factory, reopen)];
}

function reopenCases(
  factory: StoreFactory<LogStore>,
  reopen: (store: LogStore) => LogStore | Promise<LogStore>,
): ConformanceCase[] {
  async function inNewLife(prepare: (store: LogStore) => Promise<void>, expected: readonly Log[]) {
    const before = await factory.open();
    await prepare(before);
    const store = await reopen(before);
    try {
      await assertHolds(store, expected);
      const next = (expected.at(-1)?.index ?? 0) + 1;
      await store.storeLog(entry(next, 9));
      await assertHolds(store, [...expected, entry(next, 9)]);
    } finally {
      await factory.close(store);
    }
  }
  return [
    {
      name: 'an empty store is empty when it is opened again',
      run: () => inNewLife(async () => {}, []),
    },
    {
      name: 'what was answered is there when the store is opened again (S167)',
      run: () =>
        inNewLife(
          async (store) => {
            await store.storeLogs(entries(1, 2000));
            await store.deleteRange(1, 1500);
            await store.deleteRange(1991, 2000);
            if (isTailReplacing(store)) await store.replaceTail(1985, entries(1985, 1990, 1));
          },
          entries(1501, 1990),
        ),
    },
  ];
}
