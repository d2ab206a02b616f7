import { assert } from '../../internal/assert.ts';
import { bytesEqual, utf8 } from '../../internal/bytes.ts';
import {
  isAtomicStable,
  KEY_CURRENT_TERM,
  KEY_LAST_VOTE_CANDIDATE,
  KEY_LAST_VOTE_TERM,
  readBytes,
  readUint64,
  type StableStore,
} from '../../raft/stable.ts';
import {
  assertSame,
  type ConformanceCase,
  failureOf,
  type StoreFactory,
  storeCase,
} from './conformance.ts';

async function assertBytes(store: StableStore, key: Uint8Array, expected: Uint8Array | null) {
  const actual = await readBytes(store, key);
  assert(bytesEqual(actual, expected), `value of ${key}: expected ${expected}, got ${actual}`);
}

async function assertNumber(store: StableStore, key: Uint8Array, expected: number) {
  assertSame(`number of ${key}`, await readUint64(store, key), expected);
}

const checks: [string, (store: StableStore) => Promise<void>][] = [
  [
    'a missing key is a zero value or the error "not found", nothing else',
    async (store) => {
      await assertBytes(store, utf8('nobody'), null);
      await assertNumber(store, utf8('nobody'), 0);
    },
  ],
  [
    'bytes are read back, whatever they are, and the newest count',
    async (store) => {
      const value = Uint8Array.of(0, 1, 254, 255);
      await store.set(KEY_LAST_VOTE_CANDIDATE, utf8('an older value'));
      await store.set(KEY_LAST_VOTE_CANDIDATE, value);
      await assertBytes(store, KEY_LAST_VOTE_CANDIDATE, value);
      await store.set(KEY_LAST_VOTE_CANDIDATE, new Uint8Array(0));
      await assertBytes(store, KEY_LAST_VOTE_CANDIDATE, null);
    },
  ],
  [
    'numbers up to 2^53-1 are read back, others are refused',
    async (store) => {
      for (const value of [0, 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
        await store.setUint64(KEY_CURRENT_TERM, value);
        await assertNumber(store, KEY_CURRENT_TERM, value);
      }
      for (const value of [-1, 1.5, 2 ** 53, Number.NaN]) {
        await failureOf(`setUint64(${value})`, () => store.setUint64(KEY_CURRENT_TERM, value));
      }
      await assertNumber(store, KEY_CURRENT_TERM, Number.MAX_SAFE_INTEGER);
    },
  ],
  [
    'keys are told apart by every byte, UTF-8 or not',
    async (store) => {
      const keys = [[255], [254], [255, 255], [0], [0, 0], [49, 44, 50]].map((k) =>
        Uint8Array.from(k),
      );
      for (const key of keys) await store.set(key, key);
      for (const key of keys) await assertBytes(store, key, key);
      await assertBytes(store, Uint8Array.of(1, 2), null);
    },
  ],
  [
    'the caller may reuse its buffers, before the answer and after a read',
    async (store) => {
      const key = utf8('k');
      const value = Uint8Array.of(1, 2, 3);
      const answer = store.set(key, value);
      value.fill(9);
      key.fill(9);
      await answer;
      await assertBytes(store, utf8('k'), Uint8Array.of(1, 2, 3));
      (await store.get(utf8('k'))).fill(7);
      await assertBytes(store, utf8('k'), Uint8Array.of(1, 2, 3));
    },
  ],
  [
    'writes take effect in the order of the calls, though nobody waits between them',
    async (store) => {
      const calls = [];
      for (let term = 1; term <= 50; term += 1) {
        calls.push(store.setUint64(KEY_CURRENT_TERM, term));
        calls.push(store.set(KEY_LAST_VOTE_CANDIDATE, utf8(`n${term}`)));
      }
      await Promise.all(calls);
      await assertNumber(store, KEY_CURRENT_TERM, 50);
      await assertBytes(store, KEY_LAST_VOTE_CANDIDATE, utf8('n50'));
    },
  ],
  [
    'setMany (when there) writes all or none',
    async (store) => {
      if (!isAtomicStable(store)) return;
      await store.setMany([]);
      await store.setMany([
        { key: KEY_CURRENT_TERM, value: 7 },
        { key: KEY_LAST_VOTE_TERM, value: 7 },
        { key: KEY_LAST_VOTE_CANDIDATE, value: utf8('a') },
      ]);
      await failureOf('setMany with one bad number', () =>
        store.setMany([
          { key: KEY_LAST_VOTE_CANDIDATE, value: utf8('b') },
          { key: KEY_CURRENT_TERM, value: -8 },
        ]),
      );
      await assertNumber(store, KEY_CURRENT_TERM, 7);
      await assertNumber(store, KEY_LAST_VOTE_TERM, 7);
      await assertBytes(store, KEY_LAST_VOTE_CANDIDATE, utf8('a'));
    },
  ],
];

/** The contract of `StableStore`, as cases for any test runner. Run each by itself. */
export function stableStoreConformance(factory: StoreFactory<StableStore>): ConformanceCase[] {
  const cases = checks.map(([name, check]) => storeCase(factory, name, check));
  const { reopen } = factory;
  if (reopen === undefined) return cases;
  const kept: ConformanceCase = {
    name: 'what was answered is there when the store is opened again',
    async run() {
      const before = await factory.open();
      await before.setUint64(KEY_CURRENT_TERM, 12);
      await before.set(KEY_LAST_VOTE_CANDIDATE, utf8('node-3'));
      const store = await reopen(before);
      try {
        await assertNumber(store, KEY_CURRENT_TERM, 12);
        await assertBytes(store, KEY_LAST_VOTE_CANDIDATE, utf8('node-3'));
        await assertBytes(store, utf8('nobody'), null);
      } finally {
        await factory.close(store);
      }
    },
  };
  return [...cases, kept];
}
