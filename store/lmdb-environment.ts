import { mkdir, realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Database, open, type RootDatabase } from 'lmdb';
import { assert } from '../internal/assert.ts';
import { bytesEqual, utf8, utf8ToString } from '../internal/bytes.ts';
import { RaftError } from '../raft/errors.ts';
import { BlockReader, type IndexRange, type Span } from './block-reader.ts';
import { checkDirectory, growTo, syncDirectory } from './data-files.ts';
import { encodeUint64, type Pair } from './entry-codec.ts';
import { openError, readBinary, writeError } from './lmdb-errors.ts';
import { blocksOf, keyOf, mergeRecords } from './log-blocks.ts';
import { countOf, joinRecords, type Records, sizeOf } from './records.ts';
import { SpareMemory } from './spare-memory.ts';

const FORMAT_KEY = utf8('format');
const FORMAT_NAME = 'quorate store ';
const FORMAT_VERSION = 3;
const FORMAT_MARK = utf8(FORMAT_NAME + FORMAT_VERSION);
/** Address space that is set aside at the start; LMDB grows it by itself, so this is no limit. */
const RESERVED_MAP_BYTES = 2 ** 30;
/** Pages that a transaction copies besides the entries: the path to the leaf, and the free list. */
const SPARE_PAGES = 16;
const META_PAGES = 2;
const PAGE_HEADER_BYTES = 24;
/** Header, key and slot of a block within its page. */
const NODE_BYTES = 18;

const BINARY = { encoding: 'binary', keyEncoding: 'binary' } as const;

type Bytes = Database<Uint8Array, Uint8Array>;
type Root = RootDatabase<Uint8Array, Uint8Array>;

/** What is done to the environment at once, in the order of the fields. */
export interface Transaction {
  /** Deletes the whole log. */
  readonly clear: boolean;
  /** Which logs to delete. */
  readonly cut: Span | null;
  /** Logs to store, in this order. */
  readonly logs: readonly Records[];
  /** Where the logs lie; `null` when nothing is cut and each is above all that is stored before. */
  readonly overwritten: Span | null;
  readonly values: readonly Pair[];
}

/** Where a store keeps its records. */
export interface Environment {
  readonly path: string;
  /** A copy of the record of the log at `index` that no later call changes. */
  readLog(index: number): Uint8Array | undefined;
  /** A copy of a stable value's record that no later call changes. */
  readValue(key: Uint8Array, what: string): Uint8Array | undefined;
  /** Indexes of logs that are stored, in order. */
  logIndexes(range: IndexRange): number[];
  /** Where the first block begins that begins at `index` or above. */
  blockFrom(index: number): number | undefined;
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

/** Throws when the environment holds something else, or a format that another release made. */
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
    `it has format version ${text.slice(FORMAT_NAME.length)}, made by another release; ` +
      `this one understands version ${FORMAT_VERSION}`,
  );
}

const APPEND = { append: true } as const;

/** Puts behind the last key, which fills pages up; answers false when the key is not the last. */
function append(database: Bytes, key: Uint8Array, record: Uint8Array): Promise<boolean> {
  // The types of lmdb-js leave the options of `put` out.
  return Reflect.apply(database.put, database, [key, record, APPEND]);
}

/** How the log changes: what is deleted first, and the blocks that are stored then. */
interface Change {
  readonly removed: readonly Uint8Array[];
  readonly blocks: readonly Records[];
  /** True when each block lies above all that is stored. */
  readonly isAppended: boolean;
  /** Memory of the blocks that may be used again. */
  readonly spare: Uint8Array | null;
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
  readonly #memory = new SpareMemory();
  readonly #blocks: BlockReader;

  private constructor(path: string, mapSize: number | undefined, root: Root) {
    this.path = path;
    this.#mapSize = mapSize;
    this.#root = root;
    this.#logs = root.openDB<Uint8Array, Uint8Array>('logs', BINARY);
    this.#blocks = new BlockReader(this.#logs, path);
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

  /** A copy of the record of the log at `index` that no later call changes. */
  readLog(index: number): Uint8Array | undefined {
    return this.#blocks.find(index);
  }

  /** A copy of a stable value's record that no later call changes. */
  readValue(key: Uint8Array, what: string): Uint8Array | undefined {
    return readBinary(this.#values, key, what, this.path);
  }

  /** Indexes of logs that are on the disk, in order. */
  logIndexes(range: IndexRange): number[] {
    return this.#blocks.indexes(range);
  }

  /** Where the first block begins that begins at `index` or above. */
  blockFrom(index: number): number | undefined {
    return this.#blocks.from(index);
  }

  /** Performs a transaction. Resolves when it is on the disk, rejects when nothing of it counts. */
  async commit(transaction: Transaction): Promise<void> {
    const { clear, logs, values } = transaction;
    const change = this.#changeOf(transaction);
    if (logs.length > 0 && this.#mapSize !== undefined) {
      this.#checkRoom(change, countOf(logs), this.#mapSize);
    }
    const answers: Promise<boolean>[] = [];
    try {
      // Nothing in here may throw: what was queued before it would be written all the same.
      const committed = this.#logs.batch(() => {
        if (clear) this.#logs.clearAsync();
        for (const key of change.removed) this.#logs.remove(key);
        for (const block of change.blocks) {
          if (change.isAppended) answers.push(append(this.#logs, keyOf(block), block.bytes));
          else this.#logs.put(keyOf(block), block.bytes);
        }
        for (const { key, record } of values) this.#values.put(key, record);
      });
      answers.push(committed);
      const stored = await Promise.all(answers);
      assert(!stored.includes(false), 'an appended block must lie above all others');
    } catch (thrown) {
      let sizeBytes = sizeOf(logs);
      for (const { record } of values) sizeBytes += record.length;
      throw await writeError(thrown, this.path, sizeBytes);
    } finally {
      if (clear || !change.isAppended) this.#blocks.forget();
    }
    // Of a write that failed lmdb-js may be in the middle.
    if (change.spare !== null) this.#memory.giveBack(change.spare);
  }

  /** Closes the files. Nothing may be under way. */
  async close(): Promise<void> {
    await this.#root.close();
    openPaths.delete(this.path);
  }

  #changeOf({ clear, cut, logs, overwritten }: Transaction): Change {
    if (cut === null && overwritten === null) {
      const all = joinRecords(logs, this.#memory);
      const spare = logs.length > 1 ? all.bytes : null;
      return { removed: [], blocks: blocksOf(all), isAppended: true, spare };
    }
    // Entries on both sides of others would become one block, in which nobody would look for them.
    assert(logs.length === 0 || overwritten !== null, 'logs beside a cut must say where they lie');
    const { removed, old } = clear
      ? { removed: [], old: [] }
      : this.#blocks.touched(cut, overwritten);
    const isGone = (index: number) => cut !== null && index >= cut.min && index <= cut.max;
    const blocks = blocksOf(mergeRecords(old, isGone, logs));
    return { removed: removed.map(encodeUint64), blocks, isAppended: false, spare: null };
  }

  /** LMDB as lmdb-js ships it has no limit of its own: it maps more whenever it needs more. */
  #checkRoom({ blocks }: Change, logs: number, mapSize: number): void {
    const stats = this.#values.getStats();
    const pageSize = statistic(stats, 'pageSize');
    let pages = META_PAGES + SPARE_PAGES + pagesInUse(stats) + pagesInUse(this.#logs.getStats());
    for (const tree of ['root', 'free']) pages += pagesInUse(Reflect.get(stats, tree));
    let neededBytes = pages * pageSize;
    for (const { bytes } of blocks) {
      const inPage = bytes.length + NODE_BYTES <= pageSize / 2;
      const overflowPages = Math.ceil((PAGE_HEADER_BYTES + bytes.length) / pageSize);
      neededBytes += NODE_BYTES + (inPage ? bytes.length : overflowPages * pageSize);
    }
    if (neededBytes <= mapSize) return;
    throw new RaftError(
      'ERR_STORE_FULL',
      `the store at ${this.path} is full: with ${logs} more logs it would use ` +
        `${neededBytes} bytes of the ${mapSize} that mapSize allows`,
    );
  }
}
