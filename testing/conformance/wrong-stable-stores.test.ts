import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { utf8, utf8ToString } from '../../internal/bytes.ts';
import type { StableStore, StableWrite } from '../../raft/stable.ts';
import { InmemStore } from '../../store/inmem-store.ts';
import type { StoreFactory } from './conformance.ts';
import { stableStoreConformance } from './stable-store.ts';

/** The port over an `InmemStore`, with one thing done wrong. */
function wrong(change: (store: InmemStore) => Partial<StableStore>): () => StableStore {
  return () => {
    const store = new InmemStore();
    return {
      set: (key, value) => store.set(key, value),
      get: (key) => store.get(key),
      setUint64: (key, value) => store.setUint64(key, value),
      getUint64: (key) => store.getUint64(key),
      ...change(store),
    };
  };
}

/** Writes one after the other, up to the one that is refused. */
class TornStore extends InmemStore {
  override setMany(writes: readonly StableWrite[]): void {
    for (const write of writes) super.setMany([write]);
  }
}

/** Gives out what it holds, and holds what it is given. */
function sharing(): StableStore {
  const values = new Map<string, Uint8Array>();
  return {
    ...wrong(() => ({}))(),
    set: (key, value) => {
      values.set(utf8ToString(key), value);
    },
    get: (key) => values.get(utf8ToString(key)) ?? new Uint8Array(),
  };
}

const faults: Record<string, () => StableStore> = {
  'a missing key is a zero value or the error "not found", nothing else': wrong((store) => ({
    get(key) {
      try {
        return store.get(key);
      } catch {
        throw new Error('no such key');
      }
    },
  })),
  'bytes are read back, whatever they are, and the newest count': wrong((store) => ({
    set: (key, value) => store.set(key, utf8(utf8ToString(value))),
  })),
  'numbers up to 2^53-1 are read back, others are refused': wrong((store) => ({
    setUint64: (key, value) => store.setUint64(key, value >= 2 ** 53 ? 2 ** 53 - 1 : value),
  })),
  'keys are told apart by every byte, UTF-8 or not': wrong((store) => ({
    set: (key, value) => store.set(utf8(utf8ToString(key)), value),
    get: (key) => store.get(utf8(utf8ToString(key))),
  })),
  'the caller may reuse its buffers, before the answer and after a read': sharing,
  'writes take effect in the order of the calls, though nobody waits between them': wrong(
    (store) => ({
      async setUint64(key, value) {
        await sleep(value === 49 ? 20 : 0);
        store.setUint64(key, value);
      },
    }),
  ),
  'setMany (when there) writes all or none': () => new TornStore(),
};

const close = () => {};
const sound: StoreFactory<StableStore> = {
  open: () => new InmemStore(),
  reopen: (store) => store,
  close,
};
const forgetful: StoreFactory<StableStore> = { ...sound, reopen: () => new InmemStore() };
const kept = 'what was answered is there when the store is opened again';

describe('the stable store suite', () => {
  const cases = stableStoreConformance(sound);

  it('has a wrong store for each of its cases', () => {
    expect([...Object.keys(faults), kept]).toEqual(cases.map(({ name }) => name));
  });

  it.each(cases.map(({ name, run }) => [name, run] as const))(
    'lets a sound store pass: %s',
    (_name, run) => run(),
  );

  it.each(Object.entries(faults))('fails the wrong store: %s', async (name, open) => {
    const found = stableStoreConformance({ open, close }).find((one) => one.name === name);
    await expect(found?.run()).rejects.toThrow();
  });

  it(`fails the forgetful store: ${kept}`, async () => {
    const found = stableStoreConformance(forgetful).find(({ name }) => name === kept);
    await expect(found?.run()).rejects.toThrow();
  });
});
