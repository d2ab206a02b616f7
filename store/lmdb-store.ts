/**
 * The durable store: log and stable keys in one LMDB environment. The only module of the package
 * that loads native code.
 *
 * @example
 * ```ts
 * import { newLMDBStore } from 'quorate/store/lmdb';
 *
 * const store = await newLMDBStore({ path: './data/raft' });
 * ```
 *
 * @packageDocumentation
 */
import { utf8ToString } from '../internal/bytes.ts';
import { ErrKeyNotFound, ErrLogNotFound, RaftError } from '../raft/errors.ts';
import type { Log, RangeReadingLogStore, TailReplacingLogStore } from '../raft/log.ts';
import type { Meter, WithMeter } from '../raft/metrics.ts';
import type { AtomicStableStore, StableWrite } from '../raft/stable.ts';
import { checkInteger, checkLogs, checkRange, collectRange } from './arguments.ts';
import type { Span } from './block-reader.ts';
import {
  decodeRecord,
  decodeUint64,
  decodeValue,
  encodeLogs,
  encodeUint64,
  encodeValue,
  type Pair,
} from './entry-codec.ts';
import { isTooLargeForJournal, JournaledEnvironment } from './journaled-environment.ts';
import { type Environment, LMDBEnvironment } from './lmdb-environment.ts';
import type { Records } from './records.ts';
import { SpareMemory } from './spare-memory.ts';
import { StoreTelemetry } from './store-telemetry.ts';
import { WriteQueue } from './write-queue.ts';

/** How to open an {@link LMDBStore}. */
export interface LMDBStoreOptions {
  /** The directory of the store; made when it does not exist. It must hold nothing else. */
  readonly path: string;
  /**
   * Most bytes of pages the store may have in use, 1 MiB or more; entries beyond it are refused
   * with `ERR_STORE_FULL`. The file itself may be a little larger. Such a store has no journal, and
   * every write of it waits for the disk twice. Default: what the disk can take.
   */
  readonly mapSize?: number;
}

const LEAST_MAP_BYTES = 1 << 20;
const MAX_KEY_BYTES = 511;
const MAX_BATCH_BYTES = 16 << 20;
/** Entries that one step of a long deletion takes out: about a millisecond of this thread. */
const STEP_ENTRIES = 1024;

/** Where logs of a call lie, and whether each is above the one before. */
interface Stored extends Span {
  readonly ascending: boolean;
}

/** One call. What `cut` names is deleted first; a call with a cut has a transaction of its own. */
interface Write {
  readonly cut: Span | null;
  /** Where the logs lie, `null` when there are none. */
  readonly stored: Stored | null;
  readonly logs: Records;
  readonly values: readonly Pair[];
  readonly sizeBytes: number;
}

/** What one transaction does, and what the log is like after it. */
interface Plan {
  readonly clear: boolean;
  readonly cut: Span | null;
  readonly first: number;
  readonly last: number;
  /** False when a deletion goes on in a further transaction. */
  readonly finished: boolean;
}

function spanOf(logs: readonly Log[]): Stored | null {
  const [head] = logs;
  if (head === undefined) return null;
  let min = head.index;
  let max = 0;
  let ascending = true;
  for (const { index } of logs) {
    if (index <= max) ascending = false;
    else max = index;
    if (index < min) min = index;
  }
  return { min, max, ascending };
}

/** True when a call touches nothing at or below `index`. */
function isAbove({ cut, stored }: Write, index: number): boolean {
  return (cut === null || cut.min > index) && (stored === null || stored.min > index);
}

function nameOf(key: Uint8Array): string {
  return `stable key ${JSON.stringify(utf8ToString(key))}`;
}

/**
 * A log and stable store on LMDB. A write is answered once it is on the disk: what is appended,
 * when the journal beside LMDB has it; all else after the fdatasync of its pages and the write of
 * the meta page that makes them count. Writes are performed in the order of the calls; after one
 * has failed, all later ones are refused with `ERR_STORE_FAILED`, while everything that was
 * acknowledged can still be read. Reads answer at once.
 *
 * Every write rejects with `ERR_INVALID_ARGUMENT` for what cannot be stored, `ERR_STORE_FULL` when
 * the disk or `mapSize` is exhausted, `ERR_STORE_WRITE` when the disk fails, `ERR_STORE_FAILED`
 * after a failure and `ERR_STORE_CLOSED` after `close()`. Every read throws `ERR_STORE_CORRUPT` or
 * `ERR_STORE_VERSION` for a record that is damaged or newer, `ERR_STORE_READ` when LMDB cannot read
 * and `ERR_STORE_CLOSED` after `close()`.
 *
 * It stands where raft-boltdb stands in Go. Open it with {@link newLMDBStore}.
 */
export class LMDBStore
  implements TailReplacingLogStore, RangeReadingLogStore, AtomicStableStore, WithMeter
{
  readonly #environment: Environment;
  readonly #queue: WriteQueue<Write>;
  readonly #memory = new SpareMemory();
  #first: number;
  #last: number;
  #closing: Promise<void> | null = null;
  #telemetry: StoreTelemetry | null = null;

  /** Use {@link newLMDBStore}. */
  constructor(environment: Environment) {
    this.#environment = environment;
    this.#queue = new WriteQueue({
      maxBatchBytes: MAX_BATCH_BYTES,
      admits: (batch, next, held) => {
        if (held?.cut && !isAbove(next, held.cut.max)) return false;
        return batch[0] === undefined || (batch[0].cut === null && next.cut === null);
      },
      commit: (batch) => this.#commit(batch),
    });
    this.#first = environment.logIndexes({ limit: 1 })[0] ?? 0;
    this.#last = environment.logIndexes({ reverse: true, limit: 1 })[0] ?? 0;
  }

  /** Measures reads and writes from now on; a node calls it with its own meter when it starts. */
  useMeter(meter: Meter): void {
    this.#telemetry = new StoreTelemetry(meter);
  }

  /** The first index on the disk, 0 for an empty log. */
  firstIndex(): number {
    this.#assertOpen();
    return this.#first;
  }

  /** The last index on the disk, 0 for an empty log. */
  lastIndex(): number {
    this.#assertOpen();
    return this.#last;
  }

  /**
   * The entry at `index`; its bytes are the caller's. Throws `ErrLogNotFound` when there is none.
   */
  getLog(index: number): Log {
    this.#assertOpen();
    const startMs = performance.now();
    const log = this.#find(index);
    this.#telemetry?.read(performance.now() - startMs);
    if (log === undefined) throw ErrLogNotFound;
    return log;
  }

  /** Entries from `first` to `last`; see {@link RangeReadingLogStore.getLogRange}. */
  getLogRange(first: number, last: number, maxBytes: number): Log[] {
    this.#assertOpen();
    const logs = collectRange(first, last, maxBytes, (index) => this.#find(index));
    if (logs === undefined) throw ErrLogNotFound;
    return logs;
  }

  /** Stores one entry. */
  storeLog(log: Log): Promise<void> {
    return this.storeLogs([log]);
  }

  /** Stores entries in one transaction: all of them or none. Their bytes are taken at the call. */
  async storeLogs(logs: readonly Log[]): Promise<void> {
    checkLogs(logs);
    await this.#write({ logs });
  }

  /**
   * Deletes from `min` to `max`, both included. The head of the log goes in steps that let other
   * writes in between, so it may be partly gone after a crash; a tail, or the whole log, goes in
   * one transaction.
   */
  async deleteRange(min: number, max: number): Promise<void> {
    checkRange(min, max);
    await this.#write({ cut: { min, max } });
  }

  /** Deletes everything from `from` on and stores `logs` there, in one transaction. */
  async replaceTail(from: number, logs: readonly Log[]): Promise<void> {
    checkInteger('start of the tail', from, 1);
    checkLogs(logs, from);
    await this.#write({ cut: { min: from, max: Number.MAX_SAFE_INTEGER }, logs });
  }

  /** Keeps a copy of `value` under `key`, which has 1 to 511 bytes. */
  set(key: Uint8Array, value: Uint8Array): Promise<void> {
    return this.setMany([{ key, value }]);
  }

  /** The bytes under `key`; throws `ErrKeyNotFound` when there are none. */
  get(key: Uint8Array): Uint8Array {
    const value = this.#value(key);
    if (value === undefined) throw ErrKeyNotFound;
    return value;
  }

  /** Keeps a number from 0 to 2^53-1 under `key`, as eight bytes, big-endian, which `get` sees. */
  setUint64(key: Uint8Array, value: number): Promise<void> {
    return this.setMany([{ key, value }]);
  }

  /** The number under `key`, 0 when there is none. */
  getUint64(key: Uint8Array): number {
    const value = this.#value(key);
    return value === undefined ? 0 : decodeUint64(value, nameOf(key));
  }

  /** Keeps several values in one transaction: all of them or none. */
  async setMany(writes: readonly StableWrite[]): Promise<void> {
    const values = writes.map(({ key, value }) => {
      checkInteger('length of a key', key.length, 1);
      if (key.length > MAX_KEY_BYTES) {
        throw new RaftError(
          'ERR_INVALID_ARGUMENT',
          `a key must have ${MAX_KEY_BYTES} bytes or fewer, got ${key.length}`,
        );
      }
      if (typeof value === 'number') checkInteger('value', value, 0);
      return encodeValue(key, typeof value === 'number' ? encodeUint64(value) : value);
    });
    await this.#write({ values });
  }

  /**
   * Waits for the writes that were called before, then closes the files. Further calls do nothing.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#queue.idle();
    await this.#environment.close();
  }

  #assertOpen(): void {
    if (this.#closing === null) return;
    throw new RaftError('ERR_STORE_CLOSED', `the store at ${this.#environment.path} is closed`);
  }

  #find(index: number): Log | undefined {
    const inside = index >= this.#first && index <= this.#last && this.#last > 0;
    if (!inside || !Number.isInteger(index)) return undefined;
    const record = this.#environment.readLog(index);
    return record === undefined ? undefined : decodeRecord(index, record);
  }

  #value(key: Uint8Array): Uint8Array | undefined {
    this.#assertOpen();
    const record = this.#environment.readValue(key, nameOf(key));
    return record === undefined ? undefined : decodeValue(key, record, nameOf(key));
  }

  async #write(call: {
    cut?: Span;
    logs?: readonly Log[];
    values?: readonly Pair[];
  }): Promise<void> {
    this.#assertOpen();
    const { cut = null, logs = [], values = [] } = call;
    const records = encodeLogs(logs, this.#memory);
    let { sizeBytes } = records;
    for (const { record } of values) sizeBytes += record.length;
    const startMs = performance.now();
    await this.#queue.add({ cut, stored: spanOf(logs), logs: records, values, sizeBytes });
    this.#telemetry?.stored(records, performance.now() - startMs);
    // The journal keeps smaller ones; of one that failed, lmdb-js may be in the middle.
    if (isTooLargeForJournal([records])) this.#memory.giveBack(records.bytes);
  }

  /** One transaction. The fields that tell what is stored change only once it is on the disk. */
  async #commit(batch: readonly Write[]): Promise<boolean> {
    const plan = this.#plan(batch[0]?.cut ?? null);
    let { first, last } = plan;
    const parts: Records[] = [];
    let isAppended = plan.cut === null;
    let min = Infinity;
    let max = 0;
    for (const { stored, logs } of batch) {
      if (stored === null) continue;
      parts.push(logs);
      if (!stored.ascending || stored.min <= last) isAppended = false;
      min = Math.min(min, stored.min);
      max = Math.max(max, stored.max);
      first = first === 0 ? stored.min : Math.min(first, stored.min);
      last = Math.max(last, stored.max);
    }
    await this.#environment.commit({
      clear: plan.clear,
      cut: plan.cut,
      logs: parts,
      overwritten: isAppended || parts.length === 0 ? null : { min, max },
      values: batch.flatMap(({ values }) => values),
    });
    this.#first = first;
    this.#last = last;
    return plan.finished;
  }

  /** What a cut deletes of what is on the disk now, and what remains. */
  #plan(cut: Write['cut']): Plan {
    const first = this.#first;
    const last = this.#last;
    const plan: Plan = { clear: false, cut: null, first, last, finished: true };
    if (cut === null || last === 0) return plan;
    const min = Math.max(cut.min, first);
    const max = Math.min(cut.max, last);
    if (min > max) return plan;
    if (min === first && max === last) return { ...plan, clear: true, first: 0, last: 0 };
    const environment = this.#environment;
    if (min > first) {
      if (max < last) return { ...plan, cut: { min, max } };
      const [remaining = 0] = environment.logIndexes({ start: min - 1, reverse: true, limit: 1 });
      return { ...plan, cut: { min, max: Infinity }, last: remaining };
    }
    // A step ends with a block: those that go whole need not be read.
    const block = environment.blockFrom(min + STEP_ENTRIES);
    const end = Math.min(max, (block ?? Infinity) - 1);
    // The new first index may lie behind a hole.
    const [next = last] = environment.logIndexes({ start: end + 1, limit: 1 });
    return { ...plan, cut: { min, max: end }, first: next, finished: next > max };
  }
}

/**
 * Opens the store in the directory `path`, or makes it. Only one store at a time, in one process,
 * may have a directory open; a process that was killed leaves nothing that must be cleaned up.
 *
 * Rejects with `ERR_INVALID_ARGUMENT` for bad options, `ERR_STORE_LOCKED` when the directory is
 * open already, `ERR_STORE_FORMAT` when it holds something else, `ERR_STORE_VERSION` when another
 * release made it, `ERR_STORE_READ` when its index is damaged, `ERR_STORE_CORRUPT` when its journal
 * is, `ERR_STORE_FULL` when `mapSize` cannot hold what a crash left in one, `ERR_STORE_OPEN` for
 * anything else.
 */
export async function newLMDBStore(options: LMDBStoreOptions): Promise<LMDBStore> {
  const { path, mapSize } = options;
  if (typeof path !== 'string' || path === '') {
    throw new RaftError('ERR_INVALID_ARGUMENT', `path must name a directory, got ${String(path)}`);
  }
  if (mapSize !== undefined) checkInteger('mapSize', mapSize, LEAST_MAP_BYTES);
  const inner = await LMDBEnvironment.open(path, mapSize);
  let environment: Environment = inner;
  try {
    // A store with a bound, or on a disk without room for a journal, does without.
    if (mapSize !== undefined) await JournaledEnvironment.absorb(inner);
    else environment = (await JournaledEnvironment.open(inner)) ?? inner;
    return new LMDBStore(environment);
  } catch (thrown) {
    await environment.close();
    throw thrown;
  }
}
