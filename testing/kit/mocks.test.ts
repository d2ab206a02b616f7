import { rm } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { utf8, utf8ToString } from '../../internal/bytes.ts';
import { Configuration } from '../../raft/configuration.ts';
import { isConfigurationStore } from '../../raft/fsm.ts';
import { isMonotonicStore, type LogStore } from '../../raft/log.ts';
import { silentLogger } from '../../raft/logger.ts';
import type { SnapshotSink } from '../../raft/snapshot.ts';
import { FileSnapshotStore } from '../../snapshot/file-snapshot-store.ts';
import { newInmemStore } from '../../store/inmem-store.ts';
import type { StoreFactory } from '../conformance/conformance.ts';
import { logStoreConformance } from '../conformance/log-store.ts';
import { snapshotStoreConformance } from '../conformance/snapshot-store.ts';
import { logOf } from '../runtime-fixture.ts';
import { fileSnapTest } from './file-snap-test.ts';
import { MemoryFileSystem } from './memory-file-system.ts';
import { getMockFSM, MockFSM, MockFSMConfigStore } from './mock-fsm.ts';
import { MockMonotonicLogStore } from './mock-monotonic-log-store.ts';
import { newVirtualClock } from './virtual-clock.ts';

/** A sink that remembers what it was told. */
class WatchedSink implements SnapshotSink {
  readonly calls: string[] = [];
  readonly chunks: Uint8Array[] = [];
  failure: Error | null = null;

  async write(chunk: Uint8Array): Promise<number> {
    if (this.failure !== null) throw this.failure;
    this.calls.push('write');
    this.chunks.push(chunk);
    return chunk.length;
  }
  async close(): Promise<void> {
    this.calls.push('close');
  }
  async cancel(): Promise<void> {
    this.calls.push('cancel');
  }
  id(): string {
    return 'watched';
  }
}

async function* reader(...chunks: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

function fill(fsm: MockFSM, ...commands: string[]): unknown[] {
  return commands.map((command, i) => fsm.apply({ ...logOf(i + 1, 1), data: utf8(command) }));
}

describe('MockFSM', () => {
  it('keeps every command and answers how many there are', () => {
    const fsm = new MockFSM();
    expect(fill(fsm, 'a', 'b')).toEqual([1, 2]);
    expect(fsm.apply({ ...logOf(3, 1), data: null })).toBe(3);
    expect(fsm.logs().map(utf8ToString)).toEqual(['a', 'b', '']);
  });

  it('writes a snapshot of its moment as Go does, closes the sink, and restores it', async () => {
    const fsm = new MockFSM();
    fill(fsm, 'a', 'bc');
    const snapshot = fsm.snapshot();
    fill(fsm, 'later');
    const sink = new WatchedSink();
    await snapshot.persist(sink);
    snapshot.release();
    expect(sink.calls).toEqual(['write', 'close']);
    const written = Buffer.concat(sink.chunks);
    expect(written.toString('latin1')).toBe('\x92\xa1a\xa2bc');
    const other = new MockFSM();
    fill(other, 'gone');
    await other.restore(reader(written.subarray(0, 2), written.subarray(2)));
    expect(other.logs().map(utf8ToString)).toEqual(['a', 'bc']);
  });

  it('cancels the sink that fails, and passes the error on', async () => {
    const sink = new WatchedSink();
    sink.failure = new Error('no space');
    await expect(new MockFSM().snapshot().persist(sink)).rejects.toBe(sink.failure);
    expect(sink.calls).toEqual(['cancel']);
  });

  it.each([
    ['nothing', []],
    ['a part', [0x92, 0xa1, 0x61]],
    ['something else', [0x01]],
  ])('refuses to restore %s, and keeps what it has', async (_what, bytes) => {
    const fsm = new MockFSM();
    fill(fsm, 'kept');
    const restored = fsm.restore(reader(Uint8Array.from(bytes)));
    await expect(restored).rejects.toMatchObject({ code: 'ERR_MSGPACK' });
    expect(fsm.logs().map(utf8ToString)).toEqual(['kept']);
  });

  it('is told configurations when it is a MockFSMConfigStore, and not otherwise', async () => {
    const fsm = new MockFSMConfigStore();
    expect([isConfigurationStore(fsm), isConfigurationStore(new MockFSM())]).toEqual([true, false]);
    const configuration = new Configuration([]);
    await fsm.storeConfiguration(1, configuration);
    expect(fsm.fsm.configurations).toEqual([configuration]);
    expect(fsm.apply({ ...logOf(1, 1), data: utf8('x') })).toBe(1);
    const sink = new WatchedSink();
    await fsm.snapshot().persist(sink);
    await fsm.restore(reader(...sink.chunks));
    expect(getMockFSM(fsm)?.logs().map(utf8ToString)).toEqual(['x']);
  });
});

describe('MockMonotonicLogStore', () => {
  const closed = { close: () => {} };
  const suites: Record<string, StoreFactory<LogStore>> = {
    'over a store that answers at once': {
      ...closed,
      open: () => new MockMonotonicLogStore(newInmemStore()),
    },
    'over a store that answers later': {
      ...closed,
      open() {
        const inner = newInmemStore();
        return new MockMonotonicLogStore({
          firstIndex: async () => inner.firstIndex(),
          lastIndex: async () => inner.lastIndex(),
          getLog: async (index) => inner.getLog(index),
          storeLog: async (log) => inner.storeLog(log),
          storeLogs: async (logs) => inner.storeLogs(logs),
          deleteRange: async (min, max) => inner.deleteRange(min, max),
        });
      },
    },
  };
  for (const [suite, factory] of Object.entries(suites)) {
    describe(suite, () => {
      for (const { name, run } of logStoreConformance(factory)) it(name, run);
    });
  }

  it('says that it cannot hold gaps, and refuses them whole', () => {
    const store = new MockMonotonicLogStore(newInmemStore());
    expect(isMonotonicStore(store)).toBe(true);
    store.storeLogs([logOf(5, 1), logOf(6, 1)]);
    for (const logs of [[logOf(8, 1)], [logOf(7, 1), logOf(9, 1)], [logOf(6, 2)]]) {
      expect(() => store.storeLogs(logs)).toThrow(/expected the entry \d to follow \d, got \d/);
    }
    expect(store.lastIndex()).toBe(6);
    store.storeLog(logOf(7, 1));
    expect(store.firstIndex()).toBe(5);
    store.deleteRange(5, 7);
    store.storeLog(logOf(20, 1));
    expect(store.getLog(20)).toMatchObject({ index: 20 });
  });
});

describe('the snapshot stores of the kit', () => {
  const dirs = new Map<unknown, string>();
  const file: StoreFactory<FileSnapshotStore> = {
    async open() {
      const [dir, store] = await fileSnapTest();
      dirs.set(store, dir);
      return store;
    },
    close: (store) => rm(dirs.get(store) ?? '', { recursive: true }),
  };
  const disks = new Map<unknown, MemoryFileSystem>();
  const openOn = async (fileSystem: MemoryFileSystem) => {
    const init = { fileSystem, logger: silentLogger, clock: newVirtualClock() };
    const store = await FileSnapshotStore.open('x', 3, init);
    disks.set(store, fileSystem);
    return store;
  };
  const memory: StoreFactory<FileSnapshotStore> = {
    open: () => openOn(new MemoryFileSystem()),
    reopen: (store) => openOn(disks.get(store) ?? new MemoryFileSystem()),
    close: () => {},
  };
  for (const [suite, factory] of Object.entries({ fileSnapTest: file, 'in memory': memory })) {
    describe(suite, () => {
      for (const { name, run } of snapshotStoreConformance(factory)) it(name, run);
    });
  }
});

describe('VirtualClock', () => {
  it('passes hours in no time and rings in the order of time', async () => {
    const clock = newVirtualClock();
    const rung: number[] = [];
    for (const delay of [3_600_000, 5, 10]) clock.setTimer(delay, () => rung.push(delay));
    clock.setTimer(7, () => rung.push(7)).cancel();
    const started = clock.wallTime().getTime();
    await clock.sleep(7_200_000);
    expect(rung).toEqual([5, 10, 3_600_000]);
    expect(clock.monotonicMs()).toBe(7_200_000);
    expect(clock.wallTime().getTime() - started).toBe(7_200_000);
  });

  it('lets everything be done that is ready before time goes on', async () => {
    const clock = newVirtualClock();
    let ready = 0;
    clock.setTimer(1, async () => {
      for (let i = 0; i < 100; i += 1) await Promise.resolve();
      ready = clock.monotonicMs();
    });
    await clock.sleep(2);
    expect(ready).toBe(1);
  });

  it('resumes after everything that is due at the same moment', async () => {
    const clock = newVirtualClock();
    const order: string[] = [];
    await new Promise<void>((resolve) => {
      clock.setTimer(1, () => {
        clock.afterIO(() => {
          order.push('after');
          resolve();
        });
      });
      clock.setTimer(1, () => order.push('due'));
    });
    expect(order).toEqual(['due', 'after']);
    expect(clock.monotonicMs()).toBe(1);
  });

  it('stands still while no timer is set', async () => {
    const clock = newVirtualClock();
    await clock.sleep(10);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(clock.monotonicMs()).toBe(10);
    const timer = clock.setTimer(1000, () => {});
    timer.cancel();
    timer.cancel();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(clock.monotonicMs()).toBe(10);
    await clock.sleep(10);
    expect(clock.monotonicMs()).toBe(20);
  });
});
