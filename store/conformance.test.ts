import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from 'vitest';
import type { LogStore } from '../raft/log.ts';
import type { StoreFactory } from '../testing/conformance/conformance.ts';
import { logStoreConformance } from '../testing/conformance/log-store.ts';
import { stableStoreConformance } from '../testing/conformance/stable-store.ts';
import { MockMonotonicLogStore } from '../testing/kit/mock-monotonic-log-store.ts';
import { newInmemStore } from './inmem-store.ts';
import { type LMDBStore, newLMDBStore } from './lmdb-store.ts';
import { newLogCache } from './log-cache.ts';

let home = '';
const places = new Map<LogStore, string>();

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'quorate-store-'));
});
afterAll(() => rm(home, { recursive: true }));

async function openAt(path: string): Promise<LMDBStore> {
  const store = await newLMDBStore({ path });
  places.set(store, path);
  return store;
}

const inmem = { open: newInmemStore, close: () => {} };
const lmdb: StoreFactory<LMDBStore> = {
  open: async () => openAt(await mkdtemp(join(home, 'store-'))),
  async reopen(store) {
    await store.close();
    return openAt(places.get(store) ?? '');
  },
  close: (store) => store.close(),
};

/** A cache smaller than the logs of the suite, so that hits and misses both occur. */
function cached(factory: StoreFactory<LogStore>): StoreFactory<LogStore> {
  const behind = new Map<LogStore, LogStore>();
  const inFront = (store: LogStore) => {
    const cache = newLogCache(8, store);
    behind.set(cache, store);
    return cache;
  };
  const storeOf = (cache: LogStore) => {
    const store = behind.get(cache);
    if (store === undefined) throw new Error('not a cache of this factory');
    return store;
  };
  const { reopen } = factory;
  return {
    open: async () => inFront(await factory.open()),
    close: (cache) => factory.close(storeOf(cache)),
    ...(reopen && { reopen: async (cache: LogStore) => inFront(await reopen(storeOf(cache))) }),
  };
}

/** Without the optional abilities, as most stores of third parties are. */
const monotonic: StoreFactory<LogStore> = {
  open: () => new MockMonotonicLogStore(newInmemStore()),
  close: () => {},
};

const logStores = {
  InmemStore: logStoreConformance(inmem),
  LMDBStore: logStoreConformance(lmdb),
  'LogCache over InmemStore': logStoreConformance(cached(inmem)),
  'LogCache over LMDBStore': logStoreConformance(cached(lmdb)),
  'LogCache over a monotonic store': logStoreConformance(cached(monotonic)),
};

const stableStores = {
  InmemStore: stableStoreConformance(inmem),
  LMDBStore: stableStoreConformance(lmdb),
};

for (const [suite, cases] of Object.entries(logStores)) {
  describe(`${suite} as a log store`, () => {
    for (const { name, run } of cases) it(name, run);
  });
}

for (const [suite, cases] of Object.entries(stableStores)) {
  describe(`${suite} as a stable store`, () => {
    for (const { name, run } of cases) it(name, run);
  });
}
