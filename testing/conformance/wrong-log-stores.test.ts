import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { ErrLogNotFound, RaftError } from '../../raft/errors.ts';
import type { Log, LogStore, MaybePromise } from '../../raft/log.ts';
import { InmemStore } from '../../store/inmem-store.ts';
import { logOf } from '../runtime-fixture.ts';
import type { StoreFactory } from './conformance.ts';
import { logStoreConformance } from './log-store.ts';

const none = new Uint8Array();

/** The port over an `InmemStore`, with one thing done wrong. */
function wrong(change: (store: InmemStore) => Partial<LogStore>): () => LogStore {
  return () => {
    const store = new InmemStore();
    return {
      firstIndex: () => store.firstIndex(),
      lastIndex: () => store.lastIndex(),
      getLog: (index) => store.getLog(index),
      storeLog: (log) => store.storeLog(log),
      storeLogs: (logs) => store.storeLogs(logs),
      deleteRange: (min, max) => store.deleteRange(min, max),
      ...change(store),
    };
  };
}

/** Replaces a tail in two steps, with time between them. */
class TornStore extends InmemStore {
  override replaceTail(from: number, logs: readonly Log[]): MaybePromise<void> {
    super.deleteRange(from, Number.MAX_SAFE_INTEGER);
    return sleep(1).then(() => super.storeLogs(logs));
  }
}

/** Puts the new tail beside what is left of the old one. */
class LaxStore extends InmemStore {
  override replaceTail(_from: number, logs: readonly Log[]): void {
    super.storeLogs(logs);
  }
}

/** Leaves out of a range what is missing. */
class SilentStore extends InmemStore {
  override getLogRange(first: number, last: number, maxBytes: number): Log[] {
    return super.getLogRange(first, Math.min(last, this.lastIndex()), maxBytes);
  }
}

/** For each case a store that does wrong what the case looks at, and nothing else if possible. */
const faults: Record<string, () => LogStore> = {
  'an empty log has first and last index 0 and no entry (S167)': wrong((store) => ({
    firstIndex: () => store.firstIndex() || 1,
  })),
  'what was stored is read back, one entry or many': wrong((store) => ({
    storeLogs: (logs) => store.storeLogs(logs.slice(0, 1)),
  })),
  'a missing entry is exactly ErrLogNotFound (S167)': wrong((store) => ({
    getLog(index) {
      if (index >= store.firstIndex() && index <= store.lastIndex()) return store.getLog(index);
      throw new RaftError(ErrLogNotFound.code, ErrLogNotFound.message);
    },
  })),
  'storing nothing changes nothing': wrong((store) => ({
    storeLogs(logs) {
      if (logs.length === 0) throw new Error('nothing to store');
      store.storeLogs(logs);
    },
  })),
  'an entry stored again takes the place of the one before, unless the store is monotonic': wrong(
    (store) => ({
      storeLogs: (logs) => store.storeLogs(logs.filter((log) => log.index > store.lastIndex())),
    }),
  ),
  'every type, null and empty bytes, times to the nanosecond with their zone are kept (S200)':
    wrong((store) => ({
      storeLogs: (logs) => store.storeLogs(logs.map((log) => ({ ...log, data: log.data ?? none }))),
    })),
  'the entries are taken at the call: the caller may reuse its array': wrong((store) => ({
    storeLogs: async (logs) => {
      await sleep(1);
      store.storeLogs(logs);
    },
  })),
  'a batch with an index or a term that is no whole number is refused as a whole': wrong(
    (store) => ({
      storeLogs(logs) {
        for (const log of logs) store.storeLog(log);
      },
    }),
  ),
  'a large entry is kept': wrong((store) => ({
    storeLog: (log) => store.storeLog({ ...log, data: log.data?.subarray(0, 65_535) ?? null }),
  })),
  'deleteRange includes both ends: head, tail, one entry, everything (S167)': wrong((store) => ({
    deleteRange: (min, max) => store.deleteRange(min, max - 1),
  })),
  'deleteRange of what is not there is no error': wrong((store) => ({
    deleteRange(min, max) {
      if (max < store.firstIndex() || min > store.lastIndex()) throw ErrLogNotFound;
      store.deleteRange(min, max);
    },
  })),
  'deleteRange may reach beyond the log on both sides': wrong((store) => ({
    deleteRange(min, max) {
      if (max > store.lastIndex()) throw ErrLogNotFound;
      store.deleteRange(min, max);
    },
  })),
  'a log may have a hole, unless the store says that it is monotonic (S167)': wrong((store) => ({
    storeLogs(logs) {
      const next = store.lastIndex() + 1;
      if (next > 1 && (logs[0]?.index ?? 0) > next) throw new Error('a gap');
      store.storeLogs(logs);
    },
  })),
  'a long head goes, in order with what was called before and after': wrong((store) => ({
    deleteRange: (min, max) => store.deleteRange(min, Math.min(max, min + 1023)),
  })),
  'a long deletion does not catch what is stored after it was called': wrong((store) => ({
    async deleteRange(min, max) {
      await sleep(1);
      store.deleteRange(min, max);
    },
  })),
  'writes take effect in the order of the calls, though nobody waits between them (S167)': wrong(
    (store) => ({
      async storeLogs(logs) {
        const kept = [...logs];
        await sleep(1);
        store.storeLogs(kept);
      },
    }),
  ),
  'replaceTail (when there) cuts and stores: in the middle, at the start, beyond the end': () =>
    new LaxStore(),
  'replaceTail (when there) shows either the old tail or the new one, in order with other writes':
    () => new TornStore(),
  'getLogRange (when there) reads what fits, at least one entry, and misses nothing silently': () =>
    new SilentStore(),
};

/** For each case of a restart, what a wrong store has afterwards. */
const amnesia: Record<string, (store: LogStore) => MaybePromise<LogStore>> = {
  'an empty store is empty when it is opened again': async (store) => {
    if ((await store.lastIndex()) === 0) await store.storeLog(logOf(1, 1));
    return store;
  },
  'what was answered is there when the store is opened again (S167)': () => new InmemStore(),
};

const close = () => {};
const sound: StoreFactory<LogStore> = {
  open: () => new InmemStore(),
  reopen: (store) => store,
  close,
};

describe('the log store suite', () => {
  const names = logStoreConformance(sound).map(({ name }) => name);

  it('has a wrong store for each of its cases', () => {
    expect([...Object.keys(faults), ...Object.keys(amnesia)]).toEqual(names);
  });

  it.each(names)('lets a sound store pass: %s', async (name) => {
    await logStoreConformance(sound)
      .find((one) => one.name === name)
      ?.run();
  });

  it.each(Object.entries(faults))('fails the wrong store: %s', async (name, open) => {
    const found = logStoreConformance({ open, close }).find((one) => one.name === name);
    await expect(found?.run()).rejects.toThrow();
  });

  it.each(Object.entries(amnesia))('fails the forgetful store: %s', async (name, reopen) => {
    const factory = { ...sound, reopen };
    const found = logStoreConformance(factory).find((one) => one.name === name);
    await expect(found?.run()).rejects.toThrow();
  });
});
