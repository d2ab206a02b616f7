import { bytesEqual, utf8ToString } from '../internal/bytes.ts';
import { type Clock, systemClock } from '../internal/clock.ts';
import type { Configuration } from '../raft/configuration.ts';
import { encodePeers } from '../raft/configuration-codec.ts';
import { asError, RaftError } from '../raft/errors.ts';
import type { Logger } from '../raft/logger.ts';
import {
  type OpenSnapshot,
  type SnapshotMeta,
  type SnapshotStore,
  type SnapshotVersion,
  SnapshotVersionMax,
  SnapshotVersionMin,
} from '../raft/snapshot.ts';
import type { Transport } from '../raft/transport.ts';
import { checksumOf, FileSnapshotReader, readSmallFile } from './file-snapshot-reader.ts';
import { FileSnapshotSink } from './file-snapshot-sink.ts';
import type { FileSystem, ReadableFile } from './file-system.ts';
import { decodeSnapshotMeta, type StoredSnapshotMeta } from './snapshot-meta-codec.ts';
import { newestFirst, snapshotName } from './snapshot-name.ts';
import type { FileWorkers } from './state-file.ts';

const TEMPORARY_SUFFIX = '.tmp';
const OUR_TEMPORARY_NAME = /^\d+-\d+-\d+\.tmp$/;
/** A configuration of a hundred thousand servers fits. */
const META_LIMIT_BYTES = 16 * 1024 * 1024;
/** From this size on a file is verified in a worker: for less, none need start. */
const LARGE_BYTES = 8 * 1024 * 1024;

/** What a {@link FileSnapshotStore} works with. */
export interface FileSnapshotStoreInit {
  /** The disk. */
  readonly fileSystem: FileSystem;
  /** Where failures are told. */
  readonly logger: Logger;
  /** Names snapshots. Default: the machine's clock. */
  readonly clock?: Pick<Clock, 'wallTime'>;
  /**
   * Threads that reach the files of `fileSystem` under its paths: large files are verified there,
   * and `workerSnapshot` has them written there. Default: none.
   */
  readonly workers?: FileWorkers;
}

/**
 * Keeps snapshots in a directory, in Go's format: either implementation reads what the other wrote.
 * A snapshot appears all at once, on the disk, or not at all. Go: `FileSnapshotStore`.
 */
export class FileSnapshotStore implements SnapshotStore {
  readonly #fileSystem: FileSystem;
  readonly #logger: Logger;
  readonly #clock: Pick<Clock, 'wallTime'>;
  readonly #workers: FileWorkers | null;
  readonly #path: string;
  readonly #retain: number;
  #lastNameMs = 0;
  #lastReap: Promise<void> = Promise.resolve();

  private constructor(path: string, retain: number, init: FileSnapshotStoreInit) {
    this.#fileSystem = init.fileSystem;
    this.#logger = init.logger;
    this.#clock = init.clock ?? systemClock;
    this.#workers = init.workers ?? null;
    this.#path = path;
    this.#retain = retain;
  }

  /**
   * Opens the store in `base`/snapshots, which is made when missing, tries whether it can be
   * written, removes what a crash left half written, and syncs the names of what it left whole. One
   * process only may have it open.
   *
   * @param base the directory of the node's data
   * @param retain how many snapshots to keep, 1 or more
   * @param init what it works with
   * @throws `RaftError` for a bad `retain` (`ERR_INVALID_ARGUMENT`) and for a directory that cannot
   *   be made or written (`ERR_SNAPSHOT_PATH`)
   */
  static async open(
    base: string,
    retain: number,
    init: FileSnapshotStoreInit,
  ): Promise<FileSnapshotStore> {
    if (!Number.isSafeInteger(retain) || retain < 1) {
      throw new RaftError('ERR_INVALID_ARGUMENT', 'must retain at least one snapshot');
    }
    const path = init.fileSystem.join(base, 'snapshots');
    const store = new FileSnapshotStore(path, retain, init);
    await orPathError('snapshot path not accessible', async () => {
      await init.fileSystem.makeDirectory(path);
      // A crash may have come between the making of the directory and its reaching the disk.
      await init.fileSystem.syncDirectory(base);
    });
    await orPathError('permissions test failed', () => store.#testPermissions());
    await orPathError('snapshot path not accessible', async () => {
      await store.#removeLeftovers();
      // A killed process may have left a name that is visible and not on the disk yet: a node that
      // builds on that snapshot would lose it when the power fails.
      await init.fileSystem.syncDirectory(path);
    });
    return store;
  }

  /**
   * Starts a snapshot. Rejects with a `RaftError` (`ERR_UNSUPPORTED_SNAPSHOT`) for any version
   * but 1, or with the disk's error; nothing is left behind then. Go: `FileSnapshotStore.Create`.
   */
  async create(
    version: SnapshotVersion,
    index: number,
    term: number,
    configuration: Configuration,
    configurationIndex: number,
    trans: Transport,
  ): Promise<FileSnapshotSink> {
    if (version !== SnapshotVersionMax) {
      throw new RaftError('ERR_UNSUPPORTED_SNAPSHOT', `unsupported snapshot version ${version}`);
    }
    const description = {
      version,
      index,
      term,
      peers: encodePeers(configuration, trans),
      configuration: configuration.clone(),
      configurationIndex,
      size: 0,
    };
    await this.#fileSystem.makeDirectory(this.#path);
    const id = await this.#freeName(term, index);
    const temporaryDirectory = this.#pathOf(id + TEMPORARY_SUFFIX);
    this.#logger.info({ path: temporaryDirectory }, 'creating new snapshot');
    return new FileSnapshotSink({
      fileSystem: this.#fileSystem,
      logger: this.#logger,
      meta: { ...description, id },
      stateFile: await this.#createStateFile(temporaryDirectory),
      pathForWorkers: this.#workers && this.#fileSystem.join(temporaryDirectory, 'state.bin'),
      temporaryDirectory,
      finalDirectory: this.#pathOf(id),
      parentDirectory: this.#path,
      // What failed is logged, and the next snapshot tries again: this one is safe either way.
      afterwards: () => this.reapSnapshots().catch(() => {}),
    });
  }

  /**
   * The newest snapshots, at most as many as are retained. Those whose metadata cannot be read are
   * left out with a warning. Rejects with the disk's error when the directory cannot be read.
   * Go: `FileSnapshotStore.List`.
   */
  async list(): Promise<SnapshotMeta[]> {
    return (await this.#allSnapshots()).slice(0, this.#retain);
  }

  /**
   * Opens a snapshot after reading all of it once to compare length and checksum. The reader holds
   * a file until it is iterated to the end or its iterator's `return()` is called, and goes on
   * working when the snapshot is reaped meanwhile. It compares the checksum again, and fails before
   * its last chunk when the file has changed (`ERR_SNAPSHOT_CORRUPT`).
   *
   * Rejects with a `RaftError`: malformed metadata (`ERR_MALFORMED_SNAPSHOT_META`), a version that
   * is not understood (`ERR_UNSUPPORTED_SNAPSHOT`), an `id` that names no snapshot
   * (`ERR_SNAPSHOT_NOT_FOUND`), wrong length or checksum (`ERR_SNAPSHOT_CORRUPT`), or with the
   * disk's error. Go: `FileSnapshotStore.Open`.
   */
  async open(id: string): Promise<OpenSnapshot> {
    const stored = await this.#logging('failed to get meta data to open snapshot', async () => {
      const found = await this.#readMeta(id);
      if (isUnderstood(found.meta)) return found;
      const text = `unsupported snapshot version ${found.meta.version}`;
      throw new RaftError('ERR_UNSUPPORTED_SNAPSHOT', text);
    });
    const path = this.#fileSystem.join(this.#pathOf(id), 'state.bin');
    const file = await this.#logging('failed to open state file', () =>
      this.#fileSystem.open(path),
    );
    try {
      const crc = await this.#verify(file, path, stored);
      const stateFile = this.#workers && { path, sizeBytes: stored.meta.size, crc };
      return { meta: stored.meta, reader: new FileSnapshotReader(file, crc, stateFile) };
    } catch (thrown) {
      await file.close().catch(() => {});
      throw thrown;
    }
  }

  /** Removes all but the newest snapshots. Rejects with the disk's error. Go: `ReapSnapshots`. */
  reapSnapshots(): Promise<void> {
    const reaped = this.#lastReap.then(() => this.#reap());
    this.#lastReap = reaped.catch(() => {});
    return reaped;
  }

  #pathOf(name: string): string {
    return this.#fileSystem.join(this.#path, name);
  }

  async #testPermissions(): Promise<void> {
    const path = this.#pathOf('permTest');
    await (await this.#fileSystem.create(path)).close();
    await this.#fileSystem.remove(path);
  }

  async #removeLeftovers(): Promise<void> {
    for (const { name, isDirectory } of await this.#fileSystem.list(this.#path)) {
      if (!isDirectory || !OUR_TEMPORARY_NAME.test(name)) continue;
      this.#logger.warn({ name }, 'found temporary snapshot');
      await this.#fileSystem.remove(this.#pathOf(name));
    }
  }

  /** In Go, two snapshots of one entry in one millisecond would share a directory. */
  async #freeName(term: number, index: number): Promise<string> {
    const entries = await this.#fileSystem.list(this.#path);
    const taken = new Set(entries.map(({ name }) => name.replace(/\.tmp$/, '')));
    let ms = Math.max(this.#clock.wallTime().getTime(), this.#lastNameMs + 1);
    while (taken.has(snapshotName(term, index, ms))) ms += 1;
    this.#lastNameMs = ms;
    return snapshotName(term, index, ms);
  }

  async #createStateFile(directory: string) {
    try {
      return await this.#logging('failed to create state file', async () => {
        await this.#fileSystem.makeDirectory(directory);
        return this.#fileSystem.create(this.#fileSystem.join(directory, 'state.bin'));
      });
    } catch (thrown) {
      await this.#fileSystem.remove(directory).catch(() => {});
      throw thrown;
    }
  }

  async #allSnapshots(): Promise<SnapshotMeta[]> {
    const entries = await this.#logging('failed to scan snapshot directory', () =>
      this.#fileSystem.list(this.#path),
    );
    const found: SnapshotMeta[] = [];
    for (const { name, isDirectory } of entries) {
      if (!isDirectory || name.endsWith(TEMPORARY_SUFFIX)) continue;
      const meta = await this.#readMetaOrWarn(name);
      if (meta !== null) found.push(meta);
    }
    return found.sort(newestFirst);
  }

  async #readMetaOrWarn(name: string): Promise<SnapshotMeta | null> {
    try {
      const { meta } = await this.#readMeta(name);
      if (isUnderstood(meta)) return meta;
      this.#logger.warn({ name, version: meta.version }, 'snapshot version not supported');
    } catch (thrown) {
      this.#logger.warn({ name, error: asError(thrown) }, 'failed to read metadata');
    }
    return null;
  }

  async #readMeta(name: string): Promise<StoredSnapshotMeta> {
    if (!/^[^/\\]+$/.test(name) || name === '.' || name === '..') {
      const text = `expected the name of a snapshot, got ${JSON.stringify(name)}`;
      throw new RaftError('ERR_SNAPSHOT_NOT_FOUND', text);
    }
    const path = this.#fileSystem.join(this.#pathOf(name), 'meta.json');
    const file = await this.#fileSystem.open(path);
    try {
      const stored = decodeSnapshotMeta(utf8ToString(await readSmallFile(file, META_LIMIT_BYTES)));
      // What is reaped later is found by this ID: it must not lead anywhere else.
      if (stored.meta.id === name) return stored;
      throw new RaftError(
        'ERR_MALFORMED_SNAPSHOT_META',
        `malformed meta.json: expected ID ${name}, got ${JSON.stringify(stored.meta.id)}`,
      );
    } finally {
      await file.close();
    }
  }

  async #verify(file: ReadableFile, path: string, { meta, crc }: StoredSnapshotMeta) {
    await this.#logging('failed to read state file', async () => {
      const sizeBytes = await file.size();
      if (sizeBytes === meta.size) return;
      const text = `state.bin should have ${meta.size} bytes, has ${sizeBytes}`;
      throw new RaftError('ERR_SNAPSHOT_CORRUPT', text);
    });
    const computed = await this.#logging('failed to read state file', () =>
      this.#checksumOf(file, path, meta.size),
    );
    if (bytesEqual(crc, computed)) return computed;
    this.#logger.error({ stored: crc, computed }, 'CRC checksum failed');
    throw new RaftError('ERR_SNAPSHOT_CORRUPT', 'CRC mismatch');
  }

  async #checksumOf(file: ReadableFile, path: string, sizeBytes: number): Promise<Uint8Array> {
    if (this.#workers === null || sizeBytes < LARGE_BYTES) return checksumOf(file);
    try {
      return (await this.#workers.checksumOf(path)).crc;
    } catch (thrown) {
      // A file that was reaped meanwhile is still open here, and a thread that failed is no damage.
      this.#logger.debug({ path, error: asError(thrown) }, 'worker failed to verify snapshot');
      return checksumOf(file);
    }
  }

  async #reap(): Promise<void> {
    for (const { id } of (await this.#allSnapshots()).slice(this.#retain)) {
      const path = this.#pathOf(id);
      this.#logger.info({ path }, 'reaping snapshot');
      await this.#logging('failed to reap snapshot', async () => {
        // Half a snapshot must not be listed after a crash; a leftover of this name is removed.
        await this.#fileSystem.rename(path, path + TEMPORARY_SUFFIX);
        // Nor must the power take the new name back, and leave what was removed under the old one.
        await this.#fileSystem.syncDirectory(this.#path);
        await this.#fileSystem.remove(path + TEMPORARY_SUFFIX);
      });
    }
  }

  async #logging<T>(complaint: string, task: () => Promise<T>): Promise<T> {
    try {
      return await task();
    } catch (thrown) {
      this.#logger.error({ error: asError(thrown) }, complaint);
      throw thrown;
    }
  }
}

function isUnderstood({ version }: SnapshotMeta): boolean {
  return version >= SnapshotVersionMin && version <= SnapshotVersionMax;
}

async function orPathError(text: string, task: () => Promise<void>): Promise<void> {
  try {
    await task();
  } catch (thrown) {
    const cause = asError(thrown);
    throw new RaftError('ERR_SNAPSHOT_PATH', `${text}: ${cause.message}`, { cause });
  }
}
