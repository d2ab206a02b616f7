import { mkdir, realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Database, open, type RootDatabase } from 'lmdb';
import { assert } from '../internal/assert.ts';
import { bytesEqual, utf8, utf8ToString } from '../internal/bytes.ts';
import { RaftError } from '../raft/errors.ts';
import { checkDirectory, growTo, syncDirectory } from './data-files.ts';
import type { Pair } from './entry-codec.ts';
import { openError, readError, writeError } from './lmdb-errors.ts';
import { countOf, type Records, sizeOf } from './records.ts';

const FORMAT_KEY = utf8('format');
const FORMAT_NAME = 'quorate store ';
const FORMAT_VERSION = 1;
const FORMAT_MARK = utf8(FORMAT_NAME + FORMAT_VERSION);
/** Address space that is set aside at the start; LMDB grows it by itself, so this is no limit. */
const RESERVED_MAP_BYTES = 2 ** 30;
/** Pages that a transaction copies besides the entries: the path to the leaf, and the free list. */
const SPARE_PAGES = 16;
const META_PAGES = 2;
const PAGE_HEADER_BYTES = 24;
/** Header, key and slot of a log record within its page. */
const NODE_BYTES = 18;

const BINARY = { encoding: 'binary', keyEncoding: 'binary' } as const;

type Bytes = Database<Uint8Array, Uint8Array>;
type Root = RootDatabase<Uint8Array, Uint8Array>;

/** What is done to the environment at once, in the order of the fields. */
export interface Transaction {
  /** Deletes the whole log. */
  readonly clear: boolean;
  /** Keys of logs to delete. */
  readonly removals: readonly Uint8Array[];
  /** Logs to store, in this order. */
  readonly logs: readonly Records[];
  /** Position among all logs from which on each key is above all that are stored before it. */
  readonly appendsFrom: number;
  readonly values: readonly Pair[];
}

/** Part of the log's keys: from `start` (included) to `end` (excluded), or down from `start`. */
export interface KeyRange {
  readonly start?: Uint8Array;
  readonly end?: Uint8Array;
  readonly reverse?: boolean;
  readonly limit?: number;
}

/** Where a store keeps its records. */
export interface Environment {
  readonly path: string;
  /** A copy of a log's record that no later call changes. */
  readLog(key: Uint8Array, what: string): Uint8Array | undefined;
  /** A copy of a stable value's record that no later call changes. */
  readValue(key: Uint8Array, what: string): Uint8Array | undefined;
  /** Keys of logs that are stored, in order. */
  logKeys(range: KeyRange): Uint8Array[];
  /** Performs a transaction. Resolves when it is on the disk, rejects when nothing of it counts. */
  commit(transaction: Transaction): Promise<void>;
  /** Closes the files. Nothing may be under way. */
  close(): Promise<void>;
}

/** A number among the loosely typed statistics of lmdb-js. */
function statistic(stats: object, name: string): number {
  const value: unknown = Reflect.get(stats, name);
  if (typeof value !== 'number') throw new TypeError(`lmdb tells no ${name}`);
  return value;
}

function pagesInUse(stats: object): number {
  return (
    statistic(stats, 'treeBranchPageCount') +
    statistic(stats, 'treeLeafPageCount') +
    statistic(stats, 'overflowPages')
  );
}

/** Throws unless this process is the only one that has the environment open. */
function checkAlone(root: Root): void {
  // LMDB empties the table of readers when it finds at opening that no living process has the
  // environment open; it knows by a lock that the kernel drops with its owner. The read behind
  // these statistics takes the first place, so a second place in use is another process.
  if (statistic(root.getStats(), 'numReaders') === 1) return;
  throw new RaftError(
    'ERR_STORE_LOCKED',
    'it is open in another process, and a store belongs to one process at a time',
  );
}

/** Throws when the environment holds something else, or a format that a newer release made. */
async function checkFormat(root: Root, path: string): Promise<void> {
  const found = root.getBinary(FORMAT_KEY);
  if (found === undefined) {
    if (root.getKeysCount({ limit: 1 }) > 0) {
      throw new RaftError('ERR_STORE_FORMAT', 'it holds an LMDB database of another program');
    }
    try {
      await root.put(FORMAT_KEY, FORMAT_MARK);
    } catch (thrown) {
      throw await writeError(thrown, path, FORMAT_MARK.length);
    }
    return;
  }
  if (bytesEqual(found, FORMAT_MARK)) return;
  const text = utf8ToString(found);
  if (!text.startsWith(FORMAT_NAME)) {
    throw new RaftError('ERR_STORE_FORMAT', `its format mark is ${JSON.stringify(text)}`);
  }
  throw new RaftError(
    'ERR_STORE_VERSION',
    `it has format version ${text.slice(FORMAT_NAME.length)}, made by a newer release; ` +
      `this one understands version ${FORMAT_VERSION}`,
  );
}

const APPEND = { append: true } as const;

/** Puts behind the last key, which fills pages up; answers false when the key is not the last. */
function append(database: Bytes, key: Uint8Array, record: Uint8Array): Promise<boolean> {
  // The types of lmdb-js leave the options of `put` out.
  return Reflect.apply(database.put, database, [key, record, APPEND]);
}

/** Directories that this process has open: LMDB would share one environment between two stores. */
const openPaths = new Set<string>();

/**
 * The LMDB environment of a store: one file with two databases, `logs` and `stable`. Knows how to
 * open it safely and how to make a transaction durable; knows nothing of Raft.
 */
export class LMDBEnvironment implements Environment {
  readonly path: string;
  readonly #mapSize: number | undefined;
  readonly #root: Root;
  readonly #logs: Bytes;
  readonly #values: Bytes;

  private constructor(path: string, mapSize: number | undefined, root: Root) {
    this.path = path;
    this.#mapSize = mapSize;
    this.#root = root;
    this.#logs = root.openDB<Uint8Array, Uint8Array>('logs', BINARY);
    this.#values = root.openDB<Uint8Array, Uint8Array>('stable', BINARY);
  }

  /** Opens or makes the environment in the directory `path`; see `newLMDBStore` for the errors. */
  static async open(path: string, mapSize: number | undefined): Promise<LMDBEnvironment> {
    let claimed = '';
    try {
      await mkdir(path, { recursive: true });
      const directory = await realpath(path);
      if (openPaths.has(directory)) {
        throw new RaftError('ERR_STORE_LOCKED', 'it is already open in this process');
      }
      claimed = directory;
      openPaths.add(directory);
      await checkDirectory(directory);
      return await LMDBEnvironment.#open(directory, mapSize);
    } catch (thrown) {
      openPaths.delete(claimed);
      throw openError(thrown, path);
    }
  }

  static async #open(path: string, mapSize: number | undefined): Promise<LMDBEnvironment> {
    // With overlappingSync, the default elsewhere, a commit can be read before the disk has it.
    // With eventTurnBatching, a failed commit also rejects a promise that nobody holds.
    const root = open<Uint8Array, Uint8Array>({
      path,
      noSubdir: false,
      overlappingSync: false,
      eventTurnBatching: false,
      mapSize: mapSize ?? RESERVED_MAP_BYTES,
      ...BINARY,
    });
    try {
      checkAlone(root);
      const stats = root.getStats();
      const pages = statistic(stats, 'lastPageNumber') + 1;
      await growTo(path, pages * statistic(stats, 'pageSize'));
      await checkFormat(root, path);
      const environment = new LMDBEnvironment(path, mapSize, root);
      await syncDirectory(path);
      await syncDirectory(dirname(path));
      return environment;
    } catch (error) {
      await root.close();
      throw error;
    }
  }

  /** A copy of a log's record that no later call changes. */
  readLog(key: Uint8Array, what: string): Uint8Array | undefined {
    return this.#read(this.#logs, key, what);
  }

  /** A copy of a stable value's record that no later call changes. */
  readValue(key: Uint8Array, what: string): Uint8Array | undefined {
    return this.#read(this.#values, key, what);
  }

  /** Keys of logs that are on the disk, in order. */
  logKeys(range: KeyRange): Uint8Array[] {
    try {
      return Array.from(this.#logs.getKeys(range));
    } catch (thrown) {
      throw readError(thrown, 'the keys of the log', this.path);
    }
  }

  /** Performs a transaction. Resolves when it is on the disk, rejects when nothing of it counts. */
  async commit(transaction: Transaction): Promise<void> {
    const { clear, removals, logs, appendsFrom, values } = transaction;
    if (logs.length > 0 && this.#mapSize !== undefined) this.#checkRoom(logs, this.#mapSize);
    const answers: Promise<boolean>[] = [];
    try {
      // Nothing in here may throw: what was queued before it would be written all the same.
      const committed = this.#logs.batch(() => {
        if (clear) this.#logs.clearAsync();
        for (const key of removals) this.#logs.remove(key);
        let at = 0;
        for (const part of logs) {
          for (const { key, record } of part) {
            if (at < appendsFrom) this.#logs.put(key, record);
            else answers.push(append(this.#logs, key, record));
            at += 1;
          }
        }
        for (const { key, record } of values) this.#values.put(key, record);
      });
      answers.push(committed);
      const stored = await Promise.all(answers);
      assert(!stored.includes(false), 'an appended log must lie above all others');
    } catch (thrown) {
      let sizeBytes = sizeOf(logs);
      for (const { record } of values) sizeBytes += record.length;
      throw await writeError(thrown, this.path, sizeBytes);
    }
  }

  /** Closes the files. Nothing may be under way. */
  async close(): Promise<void> {
    await this.#root.close();
    openPaths.delete(this.path);
  }

  #read(database: Bytes, key: Uint8Array, what: string): Uint8Array | undefined {
    try {
      return database.getBinary(key);
    } catch (thrown) {
      throw readError(thrown, what, this.path);
    }
  }

  /** LMDB as lmdb-js ships it has no limit of its own: it maps more whenever it needs more. */
  #checkRoom(logs: readonly Records[], mapSize: number): void {
    const stats = this.#values.getStats();
    const pageSize = statistic(stats, 'pageSize');
    let pages = META_PAGES + SPARE_PAGES + pagesInUse(stats) + pagesInUse(this.#logs.getStats());
    for (const tree of ['root', 'free']) pages += pagesInUse(Reflect.get(stats, tree));
    let neededBytes = pages * pageSize;
    for (const part of logs) {
      for (let at = 0; at < part.length; at += 1) {
        const size = part.sizeAt(at);
        const inPage = size + NODE_BYTES <= pageSize / 2;
        const overflowPages = Math.ceil((PAGE_HEADER_BYTES + size) / pageSize);
        neededBytes += NODE_BYTES + (inPage ? size : overflowPages * pageSize);
      }
    }
    if (neededBytes <= mapSize) return;
    throw new RaftError(
      'ERR_STORE_FULL',
      `the store at ${this.path} is full: with ${countOf(logs)} more logs it would use ` +
        `${neededBytes} bytes of the ${mapSize} that mapSize allows`,
    );
  }
}
