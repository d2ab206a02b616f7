import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { typedFSM } from '../../index.ts';
import { concatBytes } from '../../internal/bytes.ts';
import { Configuration } from '../../raft/configuration.ts';
import { RaftError } from '../../raft/errors.ts';
import { silentLogger } from '../../raft/logger.ts';
import { restoreFsm } from '../../raft/runtime/restore-fsm.ts';
import type { SnapshotStore } from '../../raft/snapshot.ts';
import { addressTransport } from '../../testing/conformance/snapshot-store.ts';
import { FileSnapshotReader } from '../file-snapshot-reader.ts';
import { FileSnapshotStore } from '../file-snapshot-store.ts';
import { newInmemSnapshotStore } from '../inmem-snapshot-store.ts';
import { nodeFileSystem } from '../node-file-system.ts';
import type { FileWorkers } from '../state-file.ts';
import { SnapshotWorkers } from './pool.ts';
import { workerFormat } from './worker-format.ts';
import { workerRestore } from './worker-restore.ts';
import { workerSnapshot } from './worker-snapshot.ts';

let base = '';
let workers: SnapshotWorkers;
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'quorate-restores-'));
});
beforeEach(() => {
  workers = new SnapshotWorkers({ maxThreads: 1 });
});
afterEach(() => workers.close());
afterAll(() => rm(base, { recursive: true }));

function fileStore(files: FileWorkers = workers): Promise<FileSnapshotStore> {
  const init = { fileSystem: nodeFileSystem, logger: silentLogger, workers: files };
  return FileSnapshotStore.open(base, 1, init);
}

async function take(store: SnapshotStore, source: Iterable<unknown>): Promise<string> {
  const sink = await store.create(1, 7, 3, new Configuration([]), 2, addressTransport);
  await workerSnapshot({ source, workers, share: 1 }).persist(sink);
  await sink.close();
  return sink.id();
}

async function restored(reader: AsyncIterable<Uint8Array>): Promise<unknown[]> {
  const items: unknown[] = [];
  await workerRestore({ reader, workers, share: 1, apply: (item) => items.push(item) });
  return items;
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  return error instanceof RaftError ? error.code : String(error);
}

function* numbers(count: number): Generator<number, void> {
  for (let i = 0; i < count; i += 1) yield i;
}

async function* bytesOf(...chunks: Uint8Array[]): AsyncGenerator<Uint8Array, void> {
  yield* chunks;
}

async function openAndClose(store: SnapshotStore, id: string): Promise<void> {
  const { reader } = await store.open(id);
  await reader[Symbol.asyncIterator]().return?.();
}

const stateFile = (id: string) => join(base, 'snapshots', id, 'state.bin');

describe('a snapshot of a file store', () => {
  it('is read by the worker itself, and goes on being read when it was reaped', async () => {
    const store = await fileStore();
    const id = await take(store, numbers(3000));
    const { reader } = await store.open(id);
    expect(reader instanceof FileSnapshotReader && reader.stateFile?.path).toBe(stateFile(id));
    const second = await store.open(id);
    expect(await restored(reader)).toEqual([...numbers(3000)]);
    await rm(stateFile(id));
    expect(await restored(second.reader)).toEqual([...numbers(3000)]);
  });

  it('is found out when it changes after it was opened', async () => {
    const store = await fileStore();
    const id = await take(store, numbers(10));
    const { reader } = await store.open(id);
    const bytes = await readFile(stateFile(id));
    bytes[6] = (bytes[6] ?? 0) ^ 1;
    await writeFile(stateFile(id), bytes);
    expect(await codeOf(restored(reader))).toBe('ERR_SNAPSHOT_CORRUPT');
  });

  it('is verified by a worker when it is large, and on this thread when that fails', async () => {
    const asked: string[] = [];
    const files: FileWorkers = {
      checksumOf: (path) => {
        asked.push(path);
        return workers.checksumOf(path);
      },
    };
    const store = await fileStore(files);
    const small = await take(store, [1]);
    await openAndClose(store, small);
    expect(asked).toEqual([]);
    const large = await take(store, [new Uint8Array(9_000_000)]);
    await openAndClose(store, large);
    expect(asked).toEqual([stateFile(large)]);

    const failing = await fileStore({ checksumOf: () => Promise.reject(new Error('no thread')) });
    await openAndClose(failing, large);
    const bytes = await readFile(stateFile(large));
    bytes[4_000_000] = 1;
    await writeFile(stateFile(large), bytes);
    expect(await codeOf(store.open(large))).toBe('ERR_SNAPSHOT_CORRUPT');
    expect(await codeOf(failing.open(large))).toBe('ERR_SNAPSHOT_CORRUPT');
    await truncate(stateFile(large), 5);
    expect(await codeOf(store.open(large))).toBe('ERR_SNAPSHOT_CORRUPT');
  });
});

describe('a restore', () => {
  it.each([
    ['nothing', []],
    ['another format', [Uint8Array.of(2, 0, 0, 0, 0)]],
    ['what lost its end', [Uint8Array.of(1, 0, 0, 0, 1, 5)]],
    ['what has bytes behind its end', [Uint8Array.of(1, 0, 0, 0, 0, 7)]],
    ['an item that is no msgpack', [Uint8Array.of(1, 0, 0, 0, 1, 0xc1, 0, 0, 0, 0)]],
  ])('refuses %s', async (_, chunks) => {
    expect(await codeOf(restored(bytesOf(...chunks)))).toBe('ERR_MALFORMED_SNAPSHOT');
  });

  it('refuses what only looks compressed', async () => {
    const text = await codeOf(restored(bytesOf(Uint8Array.of(0x1f, 1, 2, 3))));
    expect(text).toBe('ERR_SNAPSHOT_WORKER');
  });

  it('fails as apply and the reader do, and lets go of the reader', async () => {
    let isReturned = false;
    const reader = async function* () {
      try {
        yield Uint8Array.of(1, 0, 0, 0, 1, 5);
        yield Uint8Array.of(0, 0, 0, 0);
      } finally {
        isReturned = true;
      }
    };
    const apply = () => {
      throw new RaftError('ERR_OF_THE_STATE', 'no');
    };
    expect(await codeOf(workerRestore({ reader: reader(), workers, apply }))).toBe(
      'ERR_OF_THE_STATE',
    );
    expect(isReturned).toBe(true);
    const failing = async function* () {
      yield Uint8Array.of(1);
      throw new RaftError('ERR_OF_THE_READER', 'no');
    };
    expect(await codeOf(restored(failing()))).toBe('ERR_OF_THE_READER');
  });

  it('can be given up', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const store = newInmemSnapshotStore();
    const { reader } = await store.open(await take(store, numbers(20_000)));
    let count = 0;
    const apply = () => {
      count += 1;
      if (count === 700) controller.abort();
    };
    const work = workerRestore({ reader, workers, signal, apply });
    expect(await codeOf(work)).toBe('ERR_SNAPSHOT_CANCELLED');
    expect(count).toBeLessThan(20_000);
  });
});

it('gives the loop a turn after each slice of applied items', async () => {
  let nowMs = 0;
  let sinceTurnMs = 0;
  let longestMs = 0;
  const turn = (resume: () => void) => {
    sinceTurnMs = 0;
    setImmediate(resume);
  };
  const clock = {
    monotonicMs: () => nowMs,
    wallTime: () => {
      throw new Error('nobody asks for it');
    },
    setTimer: (_: number, ring: () => void) => {
      turn(ring);
      return { cancel: () => {} };
    },
    afterIO: turn,
  };
  const apply = () => {
    nowMs += 1;
    sinceTurnMs += 1;
    longestMs = Math.max(longestMs, sinceTurnMs);
  };
  const store = newInmemSnapshotStore();
  const { reader } = await store.open(await take(store, numbers(1000)));
  await workerRestore({ reader, workers, clock, apply });
  expect(nowMs).toBe(1000);
  expect(longestMs).toBeLessThanOrEqual(5);
});

describe('a pool of workers', () => {
  it('says that it is closed, and fails what is under way', async () => {
    const store = newInmemSnapshotStore();
    const source = function* () {
      for (;;) yield 1;
    };
    const running = codeOf(take(store, source()));
    await new Promise((resolve) => setTimeout(resolve, 20));
    await workers.close();
    expect(await running).toBe('ERR_SNAPSHOT_WORKER');
    expect(await codeOf(take(store, [1]))).toBe('ERR_SNAPSHOT_WORKER');
  });

  it.each([{ maxThreads: 0 }, { maxThreads: 1.5 }, { maxHeapMiB: 15 }])('refuses %j', (init) => {
    expect(() => new SnapshotWorkers(init)).toThrow('to be an integer from');
  });
});

it('writes and reads the snapshots of a typedFSM, with the same bytes', async () => {
  const machine = () => {
    const seen: unknown[] = [];
    return {
      seen,
      apply: () => {},
      snapshot: () => [['a', 1], ['b', Uint8Array.of(2)], { c: [3n, null] }],
      restore: async (items: AsyncIterable<unknown>) => {
        for await (const item of items) seen.push(item);
      },
    };
  };
  const store = await fileStore();
  const bytes: Uint8Array[] = [];
  for (const format of [workerFormat({ workers }), undefined]) {
    const fsm = typedFSM(machine(), undefined, format);
    const sink = await store.create(1, 7, 3, new Configuration([]), 2, addressTransport);
    await (await fsm.snapshot()).persist(sink);
    await sink.close();
    const chunks: Uint8Array[] = [];
    for await (const chunk of (await store.open(sink.id())).reader) chunks.push(chunk);
    bytes.push(concatBytes(chunks));
    const target = machine();
    const other = typedFSM(target, undefined, workerFormat({ workers }));
    await restoreFsm(other, await store.open(sink.id()));
    expect(target.seen).toEqual(machine().snapshot());
  }
  expect(bytes[0]).toEqual(bytes[1]);
});
