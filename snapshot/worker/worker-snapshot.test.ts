import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { concatBytes } from '../../internal/bytes.ts';
import { Configuration } from '../../raft/configuration.ts';
import { RaftError } from '../../raft/errors.ts';
import { writeItems } from '../../raft/item-frames.ts';
import { silentLogger } from '../../raft/logger.ts';
import type { SnapshotSink, SnapshotStore } from '../../raft/snapshot.ts';
import { addressTransport } from '../../testing/conformance/snapshot-store.ts';
import { newInmemSnapshotStore } from '../inmem-snapshot-store.ts';
import { msgpackCodec } from '../msgpack-codec.ts';
import { newFileSnapshotStoreWithLogger } from '../new-file-snapshot-store.ts';
import { SnapshotWorkers } from './pool.ts';
import { workerRestore } from './worker-restore.ts';
import { workerSnapshot } from './worker-snapshot.ts';

type Item = [string, Uint8Array];

let base = '';
let workers: SnapshotWorkers;
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'quorate-workers-'));
});
beforeEach(() => {
  workers = new SnapshotWorkers({ maxThreads: 2, maxHeapMiB: 32 });
});
afterEach(() => workers.close());
afterAll(() => rm(base, { recursive: true }));

const fileStore = () => newFileSnapshotStoreWithLogger(base, 1, silentLogger);

async function begin(store: SnapshotStore): Promise<SnapshotSink> {
  return store.create(1, 7, 3, new Configuration([]), 2, addressTransport);
}

/** Items whose bytes are views into one large buffer, as those of a log entry are. */
function stateOf(count: number): Item[] {
  const buffer = new Uint8Array(count + 100);
  buffer.forEach((_, at) => {
    buffer[at] = at * 31;
  });
  return Array.from({ length: count }, (_, i) => [`key ${i}`, buffer.subarray(i, i + 100)]);
}

/** What the main thread would have written. */
async function bytesOf(items: Iterable<unknown>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const write = async (chunk: Uint8Array) => chunks.push(chunk.slice());
  await writeItems({ write }, items, msgpackCodec);
  return concatBytes(chunks);
}

async function readBack(store: SnapshotStore, id: string): Promise<Item[]> {
  const { reader } = await store.open(id);
  const items: Item[] = [];
  await workerRestore<Item>({ reader, workers, share: 1, apply: (item) => items.push(item) });
  return items;
}

async function stored(store: SnapshotStore, id: string) {
  const chunks: Uint8Array[] = [];
  const { reader, meta } = await store.open(id);
  for await (const chunk of reader) chunks.push(chunk);
  return { bytes: Buffer.concat(chunks), sizeBytes: meta.size };
}

/** The code of a module that a worker imports instead of msgpack. */
function codecModule(encode: string): string {
  const source = `export const encode = () => { ${encode} }; export const decode = () => 0;`;
  return `data:text/javascript,${encodeURIComponent(source)}`;
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  return error instanceof RaftError ? error.code : String(error);
}

describe.each([
  ['a file store, whose file the worker writes', fileStore],
  ['any other store, through its sink', async () => newInmemSnapshotStore()],
])('a snapshot into %s', (_, open) => {
  const items = stateOf(5000);

  it('has the bytes that the main thread would have written, and is read back', async () => {
    const store = await open();
    const sink = await begin(store);
    await workerSnapshot({ source: items, workers, share: 1 }).persist(sink);
    await sink.close();
    const { bytes, sizeBytes } = await stored(store, sink.id());
    expect(sizeBytes).toBe(bytes.length);
    expect(bytes.equals(await bytesOf(items))).toBe(true);
    const back = await readBack(store, sink.id());
    expect(back[4999]).toEqual(items[4999]);
    expect(bytes.equals(await bytesOf(back))).toBe(true);
  });

  it('can be compressed', async () => {
    const store = await open();
    const sink = await begin(store);
    const source = async function* () {
      yield* items;
    };
    const encode = { compress: 'gzip' } as const;
    await workerSnapshot({ source: source(), encode, workers, share: 1 }).persist(sink);
    await sink.close();
    const plain = await bytesOf(items);
    const { bytes } = await stored(store, sink.id());
    expect(gunzipSync(bytes).equals(plain)).toBe(true);
    expect(plain).toHaveLength((await bytesOf(await readBack(store, sink.id()))).length);
  });

  it('leaves nothing behind when it is given up', async () => {
    const store = await open();
    const controller = new AbortController();
    let isReturned = false;
    const source = function* () {
      try {
        for (let i = 0; ; i += 1) {
          if (i === 2000) controller.abort();
          yield i;
        }
      } finally {
        isReturned = true;
      }
    };
    const sink = await begin(store);
    const { signal } = controller;
    const persisted = workerSnapshot({ source: source(), workers, signal }).persist(sink);
    expect(await codeOf(Promise.resolve(persisted))).toBe('ERR_SNAPSHOT_CANCELLED');
    expect(isReturned).toBe(true);
    await sink.cancel();
    expect((await store.list()).map(({ id }) => id)).not.toContain(sink.id());
  });

  it.each([
    ['exits', 'process.exit(7)'],
    ['throws where nobody catches', 'setImmediate(() => { throw 1 }); return new Uint8Array(1);'],
    ['runs out of memory', 'const a = []; for (;;) a.push(new Array(1000).fill({}));'],
    ['cannot encode', 'throw new Error("no")'],
  ])('fails with one code when the worker %s, and the next one succeeds', async (__, encode) => {
    const store = await open();
    const sink = await begin(store);
    const source = function* () {
      for (;;) yield 1;
    };
    const bad = workerSnapshot({
      source: source(),
      encode: { codec: codecModule(encode) },
      workers,
      share: 1,
    });
    expect(await codeOf(Promise.resolve(bad.persist(sink)))).toBe('ERR_SNAPSHOT_WORKER');
    await sink.cancel();

    const next = await begin(store);
    await workerSnapshot({ source: [1, 2, 3], workers }).persist(next);
    await next.close();
    expect(await readBack(store, next.id())).toEqual([1, 2, 3]);
  });

  it('fails as its source does, and for what cannot be sent or encoded', async () => {
    const store = await open();
    const attempt = async (source: Iterable<unknown>) => {
      const sink = await begin(store);
      const code = await codeOf(Promise.resolve(workerSnapshot({ source, workers }).persist(sink)));
      await sink.cancel();
      return code;
    };
    const failing = function* () {
      yield 1;
      throw new RaftError('ERR_OF_THE_SOURCE', 'no more');
    };
    expect(await attempt(failing())).toBe('ERR_OF_THE_SOURCE');
    expect(await attempt([() => 1])).toBe('ERR_INVALID_ARGUMENT');
  });
});

describe('a file store', () => {
  it('stops the worker when its sink is cancelled', async () => {
    const sink = await begin(await fileStore());
    const source = function* () {
      for (;;) yield new Uint8Array(1000);
    };
    const persisted = workerSnapshot({ source: source(), workers }).persist(sink);
    const code = codeOf(Promise.resolve(persisted));
    await new Promise((resolve) => setTimeout(resolve, 20));
    await sink.cancel();
    expect(await code).toBe('ERR_SNAPSHOT_CANCELLED');
    expect((await readdir(join(base, 'snapshots'))).join()).not.toContain(sink.id());
  });

  it('takes bytes or a worker, not both', async () => {
    const store = await fileStore();
    const first = await begin(store);
    await workerSnapshot({ source: ['a'], workers }).persist(first);
    expect(await codeOf(first.write(new Uint8Array(1)))).toBe('ERR_SNAPSHOT_CLOSED');
    await first.cancel();

    const second = await begin(store);
    await second.write(Uint8Array.of(9));
    await workerSnapshot({ source: ['a'], workers }).persist(second);
    await second.close();
    const written = await readFile(join(base, 'snapshots', second.id(), 'state.bin'));
    expect([...written]).toEqual([9, ...(await bytesOf(['a']))]);
  });
});

it('draws no more than the sink takes', async () => {
  let drawn = 0;
  const source = function* () {
    for (; drawn < 200_000; drawn += 1) yield new Uint8Array(1000);
  };
  const controller = new AbortController();
  const { signal } = controller;
  const refuse = { promise: Promise.resolve(0), reject: (_: unknown) => {} };
  refuse.promise = new Promise((_, reject) => {
    refuse.reject = reject;
  });
  refuse.promise.catch(() => {});
  const nothing = async () => {};
  const stuck = { write: () => refuse.promise, close: nothing, cancel: nothing, id: () => 'stuck' };
  const persisted = workerSnapshot({ source: source(), workers, signal, share: 1 }).persist(stuck);
  for (let before = -1; before !== drawn || drawn === 0; ) {
    before = drawn;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  expect(drawn).toBeLessThan(50_000);
  controller.abort();
  refuse.reject(new Error('given up'));
  expect(await codeOf(Promise.resolve(persisted))).toBe('ERR_SNAPSHOT_CANCELLED');
});

it('moves buffers that nobody else needs', async () => {
  const mine = new Uint8Array(1000).fill(7);
  const kept = new Uint8Array(1000).fill(8);
  const store = newInmemSnapshotStore();
  const sink = await begin(store);
  const transfer = ([moved]: Uint8Array[]) => (moved === mine ? [mine.buffer] : []);
  const source = [[mine, kept], [kept]];
  await workerSnapshot({ source, transfer, workers }).persist(sink);
  await sink.close();
  expect([mine.length, kept.length]).toEqual([0, 1000]);
  const items: unknown[] = [];
  const { reader } = await store.open(sink.id());
  await workerRestore({ reader, workers, apply: (item) => items.push(item) });
  expect(items).toEqual([[new Uint8Array(1000).fill(7), kept], [kept]]);
});

it.each([{ sliceMs: 0 }, { sliceMs: 5.1 }, { sliceMs: Number.NaN }, { share: 0 }, { share: 1.1 }])(
  'refuses %j',
  (options) => {
    expect(() => workerSnapshot({ source: [], ...options })).toThrow('above 0 and at most');
  },
);

it('releases the picture once, when it is told to', async () => {
  let released = 0;
  const release = () => {
    released += 1;
  };
  workerSnapshot({ source: [], release }).release();
  expect(released).toBe(1);
});
