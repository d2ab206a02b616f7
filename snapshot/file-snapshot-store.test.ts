import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { concatBytes, utf8, utf8ToString } from '../internal/bytes.ts';
import { Timestamp } from '../internal/timestamp.ts';
import { Configuration } from '../raft/configuration.ts';
import type { LogFields, Logger } from '../raft/logger.ts';
import { silentLogger } from '../raft/logger.ts';
import type { SnapshotSink, SnapshotStore } from '../raft/snapshot.ts';
import type { StoreFactory } from '../testing/conformance/conformance.ts';
import {
  addressTransport,
  snapshotStoreConformance,
} from '../testing/conformance/snapshot-store.ts';
import { FileSnapshotStore } from './file-snapshot-store.ts';
import { newFileSnapshotStore, newFileSnapshotStoreWithLogger } from './new-file-snapshot-store.ts';
import { nodeFileSystem } from './node-file-system.ts';

let home = '';
let base = '';
let made = 0;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'quorate-snapshots-'));
});
beforeEach(() => {
  made += 1;
  base = join(home, String(made));
});
afterAll(() => rm(home, { recursive: true }));

const configuration = new Configuration([{ suffrage: 0, id: 'a', address: '127.0.0.1:7001' }]);

function openStore(retain = 2, logger: Logger = silentLogger): Promise<FileSnapshotStore> {
  return newFileSnapshotStoreWithLogger(base, retain, logger);
}

async function take(store: FileSnapshotStore, index: number, term = 3, text = 'x') {
  const sink = await store.create(1, index, term, configuration, 2, addressTransport);
  await sink.write(utf8(text));
  await sink.close();
  return sink.id();
}

async function textOf(store: FileSnapshotStore, id: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of (await store.open(id)).reader) chunks.push(chunk);
  return utf8ToString(concatBytes(chunks));
}

async function indexesOf(store: FileSnapshotStore): Promise<number[]> {
  return (await store.list()).map(({ index }) => index);
}

function pathOf(...parts: string[]): string {
  return join(base, 'snapshots', ...parts);
}

/** A logger that keeps `level message` with its fields. */
function keepingLogger() {
  const lines: [string, LogFields][] = [];
  const at = (level: string) => (fields: LogFields, message: string) => {
    lines.push([`${level} ${message}`, fields]);
  };
  const logger: Logger = {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
  };
  return { lines, logger };
}

const bases = new Map<SnapshotStore, string>();
const factory: StoreFactory<SnapshotStore> = {
  open: async () => {
    const store = await openStore();
    bases.set(store, base);
    return store;
  },
  reopen: (store) => newFileSnapshotStoreWithLogger(bases.get(store) ?? '', 2, silentLogger),
  close: () => {},
};

describe('FileSnapshotStore', () => {
  for (const { name, run } of snapshotStoreConformance(factory)) it(name, run);

  it('is a store that makes sinks as a node takes them (test 99, test 100)', async () => {
    const store = await openStore();
    const port: SnapshotStore = store;
    const sink: SnapshotSink = await store.create(1, 1, 1, configuration, 1, addressTransport);
    await sink.cancel();
    expect(await port.list()).toEqual([]);
  });

  it('creates a snapshot after its parent directory was deleted (test 101)', async () => {
    const store = await openStore();
    await rm(base, { recursive: true });
    await take(store, 10);
    expect(await indexesOf(store)).toEqual([10]);
  });

  it('lists a snapshot with metadata and bytes once it is closed (S173, test 102)', async () => {
    const store = await openStore();
    const sink = await store.create(1, 10, 3, configuration, 2, addressTransport);
    expect(await store.list()).toEqual([]);
    await sink.write(utf8('first\n'));
    await sink.write(utf8('second\n'));
    await sink.close();
    const expected = { version: 1, index: 10, term: 3, configurationIndex: 2, size: 13 };
    expect(await store.list()).toMatchObject([{ ...expected, configuration }]);
    expect(await textOf(store, sink.id())).toBe('first\nsecond\n');
  });

  it('leaves nothing of a cancelled snapshot (S174, test 103)', async () => {
    const store = await openStore();
    const sink = await store.create(1, 10, 3, configuration, 2, addressTransport);
    await sink.write(utf8('data'));
    await sink.cancel();
    expect(await store.list()).toEqual([]);
    expect(await readdir(pathOf())).toEqual([]);
  });

  it('keeps as many as it is told, the newest (S176, test 104)', async () => {
    const store = await openStore(2);
    for (let index = 10; index < 15; index += 1) await take(store, index);
    expect(await indexesOf(store)).toEqual([14, 13]);
    expect(await readdir(pathOf())).toHaveLength(2);
  });

  it('says what is wrong with its directory (S171, test 105)', async () => {
    await writeFile(base, 'a file where the directory should be');
    await expect(openStore()).rejects.toThrow(/^snapshot path not accessible: /);
    await rm(base);
    await mkdir(pathOf('permTest'), { recursive: true });
    await expect(openStore()).rejects.toThrow(/^permissions test failed: /);
  });

  it('makes missing parents (S171, test 106)', async () => {
    base = join(base, 'deep', 'down');
    await openStore();
    expect(await readdir(pathOf())).toEqual([]);
  });

  it('lists a higher term first, whatever the index (S175, test 107, #395)', async () => {
    const store = await openStore();
    await take(store, 204_917, 5);
    await take(store, 130_350, 36);
    expect(await indexesOf(store)).toEqual([130_350, 204_917]);
  });

  it('forgets at once a snapshot of an older term than those it keeps (S176)', async () => {
    const store = await openStore(1);
    await take(store, 10, 36);
    await take(store, 20, 5);
    expect(await indexesOf(store)).toEqual([10]);
    expect(await readdir(pathOf())).toHaveLength(1);
  });

  it('writes only version 1, under the name of a .tmp directory (S172)', async () => {
    const store = await openStore();
    for (const version of [0, 2]) {
      const create = store.create(version, 10, 3, configuration, 2, addressTransport);
      await expect(create).rejects.toThrow(`unsupported snapshot version ${version}`);
    }
    expect(await readdir(pathOf())).toEqual([]);
    const sink = await store.create(1, 10, 3, configuration, 2, addressTransport);
    expect(sink.id()).toMatch(/^3-10-\d{13}$/);
    expect(await readdir(pathOf())).toEqual([`${sink.id()}.tmp`]);
    await sink.cancel();
  });

  it.each([0, -1, 1.5, Number.NaN])('refuses to retain %s (S171)', async (retain) => {
    await expect(openStore(retain)).rejects.toThrow('must retain at least one snapshot');
    expect(existsSync(base)).toBe(false);
  });

  it('gives snapshots of one entry in one millisecond their own names (S172, S175)', async () => {
    const clock = { wallTime: () => new Timestamp(7, 0) };
    const init = { fileSystem: nodeFileSystem, logger: silentLogger, clock };
    const ids = [await take(await FileSnapshotStore.open(base, 9, init), 10)];
    const store = await FileSnapshotStore.open(base, 9, init);
    ids.push(await take(store, 10), await take(store, 10));
    expect(ids).toEqual(['3-10-7000', '3-10-7001', '3-10-7002']);
    expect((await store.list()).map(({ id }) => id)).toEqual([...ids].reverse());
  });

  it('lets a reader finish whose snapshot is reaped, and refuses a second pass', async () => {
    const store = await openStore(1);
    const { reader } = await store.open(await take(store, 10, 3, 'old'));
    await take(store, 11);
    let text = '';
    for await (const chunk of reader) text += utf8ToString(chunk);
    expect([text, await indexesOf(store)]).toEqual(['old', [11]]);
    expect(() => reader[Symbol.asyncIterator]()).toThrow('open the snapshot again');
  });

  it('refuses chunks that are not bytes', async () => {
    const sink = await (await openStore()).create(1, 1, 1, configuration, 1, addressTransport);
    const write: unknown = Reflect.apply(sink.write, sink, ['text']);
    await expect(write).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    await sink.cancel();
  });

  it('writes and reads 64 MiB through small buffers, and lets the event loop turn', async () => {
    const store = await openStore();
    const sink = await store.create(1, 10, 3, configuration, 2, addressTransport);
    const chunk = new Uint8Array(1024 * 1024).fill(7);
    const before = process.memoryUsage().arrayBuffers;
    let most = before;
    for (let i = 0; i < 64; i += 1) {
      await sink.write(chunk);
      most = Math.max(most, process.memoryUsage().arrayBuffers);
    }
    expect(most - before).toBeLessThan(8 * 1024 * 1024);
    await sink.close();
    let turns = 0;
    const turning = setInterval(() => {
      turns += 1;
    }, 1);
    const { reader } = await store.open(sink.id());
    clearInterval(turning);
    expect(turns).toBeGreaterThan(2);
    let bytes = 0;
    for await (const part of reader) bytes += part.length;
    expect(bytes).toBe(64 * 1024 * 1024);
  });
});

describe('a snapshot directory that was damaged', () => {
  it('is cleaned of what a crash left, and of nothing else (S174)', async () => {
    await mkdir(pathOf('3-10-1700000000000.tmp'), { recursive: true });
    await mkdir(pathOf('notes.tmp'));
    await writeFile(pathOf('3-10-1700000000001.tmp'), 'a file');
    const { lines, logger } = keepingLogger();
    const store = await openStore(2, logger);
    const name = '3-10-1700000000000.tmp';
    expect(lines).toEqual([['warn found temporary snapshot', { name }]]);
    expect((await readdir(pathOf())).sort()).toEqual(['3-10-1700000000001.tmp', 'notes.tmp']);
    expect(await store.list()).toEqual([]);
  });

  it('refuses a state whose checksum is wrong, and logs both (S177)', async () => {
    const { lines, logger } = keepingLogger();
    const store = await openStore(2, logger);
    const id = await take(store, 10, 3, '123456789');
    await writeFile(pathOf(id, 'state.bin'), '123456780');
    const failure = { message: 'CRC mismatch', code: 'ERR_SNAPSHOT_CORRUPT' };
    await expect(store.open(id)).rejects.toMatchObject(failure);
    const stored = Uint8Array.of(0x99, 0x5d, 0xc9, 0xbb, 0xdf, 0x19, 0x39, 0xfa);
    const computed = expect.any(Uint8Array);
    expect(lines.at(-1)).toEqual(['error CRC checksum failed', { stored, computed }]);
  });

  it.each(['1234567890', '12345678', ''])(
    'refuses a state of another length: %j (S177)',
    async (text) => {
      const store = await openStore();
      const id = await take(store, 10, 3, '123456789');
      await writeFile(pathOf(id, 'state.bin'), text);
      await expect(store.open(id)).rejects.toThrow(
        `state.bin should have 9 bytes, has ${text.length}`,
      );
    },
  );

  it('is not read to its end when it changes after it was opened', async () => {
    const store = await openStore();
    const id = await take(store, 10, 3, 'x'.repeat(600_000));
    const { reader } = await store.open(id);
    const bytes = new Uint8Array(await readFile(pathOf(id, 'state.bin')));
    bytes[599_999] = 0;
    await writeFile(pathOf(id, 'state.bin'), bytes);
    let lengthBytes = 0;
    const pass = async () => {
      for await (const chunk of reader) lengthBytes += chunk.length;
    };
    await expect(pass()).rejects.toMatchObject({ code: 'ERR_SNAPSHOT_CORRUPT' });
    expect(lengthBytes).toBe(2 * 256 * 1024);
  });

  it('leaves out what it cannot read and what is too new, and says so (S175)', async () => {
    const { lines, logger } = keepingLogger();
    const store = await openStore(9, logger);
    const ids = [];
    for (let index = 1; index <= 5; index += 1) ids.push(await take(store, index));
    const [garbage = '', newer = '', renamed = '', missing = ''] = ids;
    await writeFile(pathOf(garbage, 'meta.json'), '{');
    const meta = await readFile(pathOf(newer, 'meta.json'), 'utf8');
    await writeFile(pathOf(newer, 'meta.json'), meta.replace('"Version":1', '"Version":2'));
    await writeFile(pathOf(renamed, 'meta.json'), meta.replace(newer, '../../elsewhere'));
    await rm(pathOf(missing, 'meta.json'));
    await writeFile(pathOf('a-file'), '');
    lines.length = 0;
    expect(await indexesOf(store)).toEqual([5]);
    const error = expect.any(Error);
    const inOrder = lines.sort(([, a], [, b]) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
    expect(inOrder).toEqual([
      ['warn failed to read metadata', { name: garbage, error }],
      ['warn snapshot version not supported', { name: newer, version: 2 }],
      ['warn failed to read metadata', { name: renamed, error }],
      ['warn failed to read metadata', { name: missing, error }],
    ]);
    await expect(store.open(garbage)).rejects.toThrow(/^malformed meta.json: /);
    await expect(store.open(newer)).rejects.toThrow('unsupported snapshot version 2');
  });
});

describe('the default logger', () => {
  it('writes hclog lines to the output it is given', async () => {
    const lines: string[] = [];
    const store = await newFileSnapshotStore(base, 1, { write: (line) => lines.push(line) });
    const id = await take(store, 10);
    await take(store, 11);
    expect(lines[0]).toMatch(/^\S+Z \[INFO\] {2}snapshot: creating new snapshot: path=\S+\.tmp\n$/);
    expect(lines.at(-1)).toContain(`snapshot: reaping snapshot: path=${pathOf(id)}\n`);
  });

  it('gives way to a logger', async () => {
    const { lines, logger } = keepingLogger();
    await take(await newFileSnapshotStore(base, 1, logger), 10);
    expect(lines.map(([line]) => line)).toEqual(['info creating new snapshot']);
  });
});
