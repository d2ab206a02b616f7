import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { utf8 } from '../internal/bytes.ts';
import { Configuration } from '../raft/configuration.ts';
import { silentLogger } from '../raft/logger.ts';
import { addressTransport } from '../testing/conformance/snapshot-store.ts';
import { FileSnapshotStore } from './file-snapshot-store.ts';
import type { FileSystem, ReadableFile, WritableFile } from './file-system.ts';
import { nodeFileSystem } from './node-file-system.ts';

let home = '';
let base = '';
let made = 0;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'quorate-sink-'));
});
beforeEach(() => {
  made += 1;
  base = join(home, String(made));
});
afterAll(() => rm(home, { recursive: true }));

/** The real disk, writing down each call that changes it, counting handles, failing on request. */
class WatchedFileSystem implements FileSystem {
  readonly calls: string[] = [];
  openHandles = 0;
  /** Position of the one call that fails. */
  failAt = Number.POSITIVE_INFINITY;
  failOn: (call: string) => boolean = () => false;

  join(...parts: string[]): string {
    return nodeFileSystem.join(...parts);
  }

  makeDirectory(path: string): Promise<void> {
    return this.#do(`makeDirectory ${basename(path)}`, () => nodeFileSystem.makeDirectory(path));
  }

  list(path: string) {
    return this.#do(`list ${basename(path)}`, () => nodeFileSystem.list(path));
  }

  rename(from: string, to: string): Promise<void> {
    const call = `rename ${basename(from)} ${basename(to)}`;
    return this.#do(call, () => nodeFileSystem.rename(from, to));
  }

  remove(path: string): Promise<void> {
    return this.#do(`remove ${basename(path)}`, () => nodeFileSystem.remove(path));
  }

  syncDirectory(path: string): Promise<void> {
    return this.#do(`syncDirectory ${basename(path)}`, () => nodeFileSystem.syncDirectory(path));
  }

  async create(path: string): Promise<WritableFile> {
    const name = basename(path);
    const file = await this.#do(`create ${name}`, () => nodeFileSystem.create(path));
    this.openHandles += 1;
    return {
      write: (bytes) => this.#do(`write ${name}`, () => file.write(bytes)),
      sync: () => this.#do(`sync ${name}`, () => file.sync()),
      close: this.#closing(name, file),
    };
  }

  async open(path: string): Promise<ReadableFile> {
    const name = basename(path);
    const file = await this.#do(`open ${name}`, () => nodeFileSystem.open(path));
    this.openHandles += 1;
    return {
      size: () => file.size(),
      read: (into, position) => this.#do(`read ${name}`, () => file.read(into, position)),
      close: this.#closing(name, file),
    };
  }

  /** As with POSIX, a handle whose close failed is gone all the same. */
  #closing(name: string, file: { close(): Promise<void> }): () => Promise<void> {
    let closed = false;
    return async () => {
      if (closed) return;
      closed = true;
      this.openHandles -= 1;
      await file.close();
      await this.#do(`close ${name}`, async () => {});
    };
  }

  async #do<T>(call: string, perform: () => Promise<T>): Promise<T> {
    this.calls.push(call);
    if (this.calls.length - 1 === this.failAt || this.failOn(call)) {
      throw new Error(`failed on purpose: ${call}`);
    }
    return perform();
  }
}

const configuration = new Configuration([{ suffrage: 0, id: 'a', address: '127.0.0.1:7001' }]);

async function newStore(fileSystem: FileSystem, retain = 1): Promise<FileSnapshotStore> {
  return FileSnapshotStore.open(base, retain, { fileSystem, logger: silentLogger });
}

async function take(store: FileSnapshotStore, index: number): Promise<string> {
  const sink = await store.create(1, index, 3, configuration, 2, addressTransport);
  try {
    await sink.write(utf8('some bytes'));
  } catch (error) {
    await sink.cancel();
    throw error;
  }
  await sink.close();
  return sink.id();
}

it('syncs files and their directory, renames, syncs the parent, forgets (S173, S176)', async () => {
  const disk = new WatchedFileSystem();
  const store = await newStore(disk);
  const old = await take(store, 10);
  disk.calls.length = 0;
  const id = await take(store, 11);
  const from = disk.calls.indexOf('write state.bin');
  const reading = /^(open|read|close|list) /;
  const reaped = disk.calls.indexOf(`rename ${old} ${old}.tmp`);
  expect(disk.calls.slice(from, reaped).filter((call) => !reading.test(call))).toEqual([
    'write state.bin',
    'sync state.bin',
    'create meta.json',
    'write meta.json',
    'sync meta.json',
    `syncDirectory ${id}.tmp`,
    `rename ${id}.tmp ${id}`,
    'syncDirectory snapshots',
  ]);
  expect(disk.calls.slice(reaped)).toEqual([
    `rename ${old} ${old}.tmp`,
    'syncDirectory snapshots',
    `remove ${old}.tmp`,
  ]);
});

it('syncs the directories that get a new name when it is opened', async () => {
  const disk = new WatchedFileSystem();
  await newStore(disk);
  expect(disk.calls.slice(0, 2)).toEqual(['makeDirectory snapshots', `syncDirectory ${made}`]);
});

it('fails whole, whichever call fails, and the one before stays (S173)', async () => {
  const practice = new WatchedFileSystem();
  const practised = await newStore(practice);
  await take(practised, 10);
  const callsBefore = practice.calls.length;
  await take(practised, 11);
  const calls = practice.calls.length - callsBefore;
  expect(calls).toBeGreaterThan(15);
  let failures = 0;
  for (let nth = 0; nth < calls; nth += 1) {
    base = join(home, `${made}-${nth}`);
    const disk = new WatchedFileSystem();
    const store = await newStore(disk);
    await take(store, 10);
    disk.failAt = disk.calls.length + nth;
    const failed = await take(store, 11).then(
      () => false,
      () => true,
    );
    if (failed) failures += 1;
    const what = `after ${disk.calls[disk.failAt]}`;
    expect(disk.openHandles, what).toBe(0);
    if (failed) expect(await readdir(join(base, 'snapshots')), what).toHaveLength(1);
    expect(await (await newStore(nodeFileSystem)).list(), what).toMatchObject([
      { index: failed ? 10 : 11 },
    ]);
  }
  expect(failures).toBeGreaterThan(9);
});

it('leaves neither handle nor directory when fsync fails (S174, #714)', async () => {
  for (const end of ['close', 'cancel'] as const) {
    const disk = new WatchedFileSystem();
    const store = await newStore(disk);
    disk.failOn = (call) => call === 'sync state.bin' || call === 'write state.bin';
    const sink = await store.create(1, 10, 3, configuration, 2, addressTransport);
    await sink.write(utf8('some bytes'));
    if (end === 'close') await expect(sink.close()).rejects.toThrow('failed on purpose');
    else await sink.cancel();
    expect(disk.openHandles).toBe(0);
    expect(await readdir(join(base, 'snapshots'))).toEqual([]);
  }
});

it('never makes a snapshot of which a write failed, even when later writes work', async () => {
  const disk = new WatchedFileSystem();
  const store = await newStore(disk);
  const sink = await store.create(1, 10, 3, configuration, 2, addressTransport);
  disk.failOn = (call) => call === 'write state.bin';
  const chunk = new Uint8Array(300_000);
  // The disk is at work on the first when the call returns; what came of it the second one hears.
  await sink.write(chunk);
  disk.failOn = () => false;
  await expect(sink.write(chunk)).rejects.toThrow('failed on purpose: write state.bin');
  await expect(sink.close()).rejects.toThrow('failed on purpose: write state.bin');
  await sink.cancel();
  expect([await store.list(), disk.openHandles]).toEqual([[], 0]);
});

it('is not closed well when its very last write fails', async () => {
  const disk = new WatchedFileSystem();
  const store = await newStore(disk);
  const sink = await store.create(1, 10, 3, configuration, 2, addressTransport);
  await sink.write(new Uint8Array(10));
  disk.failOn = (call) => call === 'write state.bin';
  await expect(sink.close()).rejects.toThrow('failed on purpose: write state.bin');
  expect([await store.list(), disk.openHandles]).toEqual([[], 0]);
});

it('has taken the bytes when a write returns, while the disk may still be at work', async () => {
  const disk = new WatchedFileSystem();
  const store = await newStore(disk);
  const sink = await store.create(1, 10, 3, configuration, 2, addressTransport);
  const bytes = Uint8Array.from({ length: 1_500_000 }, (_, at) => (at * at) % 251);
  for (let at = 0; at < bytes.length; at += 100_000) {
    const chunk = bytes.slice(at, at + 100_000);
    await sink.write(chunk);
    chunk.fill(0);
  }
  await sink.close();
  const { reader } = await store.open(sink.id());
  const read: Uint8Array[] = [];
  for await (const chunk of reader) read.push(chunk);
  expect(Buffer.concat(read).equals(bytes)).toBe(true);
});

it('settles a second close as the first (S173)', async () => {
  const disk = new WatchedFileSystem();
  const store = await newStore(disk);
  const sink = await store.create(1, 10, 3, configuration, 2, addressTransport);
  disk.failOn = (call) => call === 'sync meta.json';
  const first = sink.close();
  await expect(sink.close()).rejects.toThrow('failed on purpose');
  await expect(first).rejects.toThrow('failed on purpose');
});

it('keeps a durable snapshot when an old one cannot be reaped, and reaps it later', async () => {
  const disk = new WatchedFileSystem();
  const store = await newStore(disk);
  const old = await take(store, 10);
  disk.failOn = (call) => call.startsWith(`rename ${old}`);
  await take(store, 11);
  await expect(store.reapSnapshots()).rejects.toThrow('failed on purpose');
  expect(await readdir(join(base, 'snapshots'))).toHaveLength(2);
  disk.failOn = () => false;
  await store.reapSnapshots();
  expect(await readdir(join(base, 'snapshots'))).toHaveLength(1);
});

it('removes on its next start what it could not remove when it failed', async () => {
  const disk = new WatchedFileSystem();
  const store = await newStore(disk);
  disk.failOn = (call) => call === 'sync meta.json' || call.startsWith('remove ');
  await expect(take(store, 10)).rejects.toThrow('failed on purpose: sync meta.json');
  expect(await readdir(join(base, 'snapshots'))).toHaveLength(1);
  await newStore(nodeFileSystem);
  expect(await readdir(join(base, 'snapshots'))).toEqual([]);
});

it('lets the file of a snapshot go when it is refused, and when its reader is left', async () => {
  const disk = new WatchedFileSystem();
  const store = await newStore(disk);
  const id = await take(store, 10);
  disk.failOn = (call) => call === 'read state.bin';
  await expect(store.open(id)).rejects.toThrow('failed on purpose');
  expect(disk.openHandles).toBe(0);
  disk.failOn = () => false;
  const { reader } = await store.open(id);
  expect(disk.openHandles).toBe(1);
  await reader[Symbol.asyncIterator]().return?.();
  expect(disk.openHandles).toBe(0);
  for await (const _ of (await store.open(id)).reader) break;
  expect(disk.openHandles).toBe(0);
  await writeFile(join(base, 'snapshots', id, 'state.bin'), 'SOME BYTES');
  await expect(store.open(id)).rejects.toThrow('CRC mismatch');
  expect(disk.openHandles).toBe(0);
});
