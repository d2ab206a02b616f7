import { copyBytes } from '../internal/bytes.ts';
import { ErrKeyNotFound, ErrLogNotFound } from '../raft/errors.ts';
import type { Log, RangeReadingLogStore, TailReplacingLogStore } from '../raft/log.ts';
import type { AtomicStableStore, StableWrite } from '../raft/stable.ts';
import { checkInteger, checkLogs, checkRange, collectRange } from './arguments.ts';
import { layOutLogs, readRecord } from './entry-codec.ts';
import type { Records } from './records.ts';

/** Bytes as a key of a `Map`; every byte counts, UTF-8 or not. */
function mapKey(key: Uint8Array): string {
  return key.join();
}

const PAGE_ENTRIES = 256;
/** Pages at the end of the log that stay objects. */
const YOUNG_PAGES = 4;
/** A page of more stays as it is: to copy it would take this thread too long at once. */
const MOST_PACKED_BYTES = 1 << 20;

/** Neighbouring entries; a place is empty where there is none. */
class Page {
  #logs: (Log | undefined)[];
  /** What the entries have become that nobody is expected to ask for. */
  #records: Records | null = null;
  #count = 0;

  constructor() {
    this.#logs = new Array<Log | undefined>(PAGE_ENTRIES).fill(undefined);
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  find(index: number): Log | undefined {
    if (this.#records === null) return this.#logs[index % PAGE_ENTRIES];
    const record = this.#records.find(index);
    return record === undefined ? undefined : readRecord(index, record.slice());
  }

  /** The lowest and the highest index. */
  get ends(): [number, number] {
    const all = this.#all();
    return [all[0]?.index ?? 0, all.at(-1)?.index ?? 0];
  }

  set(index: number, log: Log | undefined): void {
    this.#unpack();
    const at = index % PAGE_ENTRIES;
    this.#count += Number(log !== undefined) - Number(this.#logs[at] !== undefined);
    this.#logs[at] = log;
  }

  /**
   * Turns the entries into bytes: a million objects is what the collector goes through each time,
   * and the view of a command may hold all of the message in which it came.
   */
  pack(): void {
    if (this.#records !== null) return;
    const logs = this.#all();
    let sizeBytes = 0;
    for (const { data, extensions } of logs) {
      sizeBytes += (data?.length ?? 0) + (extensions?.length ?? 0);
    }
    if (sizeBytes > MOST_PACKED_BYTES) return;
    try {
      this.#records = layOutLogs(logs);
    } catch {
      // What no format has room for, such as a type that nobody knows, is for the node to refuse.
      return;
    }
    this.#logs = [];
  }

  #unpack(): void {
    if (this.#records === null) return;
    const logs = this.#all();
    this.#records = null;
    this.#logs = new Array<Log | undefined>(PAGE_ENTRIES).fill(undefined);
    for (const log of logs) this.#logs[log.index % PAGE_ENTRIES] = log;
  }

  #all(): Log[] {
    const records = this.#records;
    if (records === null) return this.#logs.filter((log) => log !== undefined);
    return Array.from({ length: records.length }, (_, at) => {
      return readRecord(records.indexAt(at), records.pairAt(at).record.slice());
    });
  }
}

/**
 * A log and stable store in memory, for tests and simulations: everything is gone with the process.
 * Every call answers at once. The newest entries are kept as they are given, not copied; older ones
 * as bytes, of which a new object is made when one is asked for. Go: `InmemStore`.
 */
export class InmemStore implements TailReplacingLogStore, RangeReadingLogStore, AtomicStableStore {
  /** A map of all entries would cost much more; a list would allow no gap. */
  readonly #pages = new Map<number, Page>();
  readonly #values = new Map<string, Uint8Array>();
  readonly #numbers = new Map<string, number>();
  #first = 0;
  #last = 0;

  /** The lowest index stored, 0 for an empty log. Go: `FirstIndex`. */
  firstIndex(): number {
    return this.#first;
  }

  /** The highest index stored, 0 for an empty log. Go: `LastIndex`. */
  lastIndex(): number {
    return this.#last;
  }

  /** The entry at `index`; throws `ErrLogNotFound` when there is none. Go: `GetLog`. */
  getLog(index: number): Log {
    const log = this.#find(index);
    if (log === undefined) throw ErrLogNotFound;
    return log;
  }

  /** Entries from `first` to `last`; see {@link RangeReadingLogStore.getLogRange}. */
  getLogRange(first: number, last: number, maxBytes: number): Log[] {
    const logs = collectRange(first, last, maxBytes, (index) => this.#find(index));
    if (logs === undefined) throw ErrLogNotFound;
    return logs;
  }

  /** Stores one entry. Throws `ERR_INVALID_ARGUMENT` for a bad index or term. Go: `StoreLog`. */
  storeLog(log: Log): void {
    this.storeLogs([log]);
  }

  /**
   * Stores entries, all or none. Throws `ERR_INVALID_ARGUMENT` like `storeLog`. Go: `StoreLogs`.
   */
  storeLogs(logs: readonly Log[]): void {
    checkLogs(logs);
    this.#insert(logs);
  }

  /** Deletes from `min` to `max`, both included. Go: `DeleteRange`. */
  deleteRange(min: number, max: number): void {
    checkRange(min, max);
    this.#delete(min, max);
  }

  /** Deletes everything from `from` on and stores `logs` there. Beyond Go. */
  replaceTail(from: number, logs: readonly Log[]): void {
    checkInteger('start of the tail', from, 1);
    checkLogs(logs, from);
    this.#delete(from, this.#last);
    this.#insert(logs);
  }

  /** Keeps a copy of `value` under `key`. Go: `Set`. */
  set(key: Uint8Array, value: Uint8Array): void {
    this.#values.set(mapKey(key), copyBytes(value));
  }

  /** The bytes under `key`; throws `ErrKeyNotFound` when there are none. Go: `Get`. */
  get(key: Uint8Array): Uint8Array {
    const value = this.#values.get(mapKey(key));
    if (value === undefined) throw ErrKeyNotFound;
    return copyBytes(value);
  }

  /** Keeps a number, 0 to 2^53-1, in a space of its own: `get` does not see it. Go: `SetUint64`. */
  setUint64(key: Uint8Array, value: number): void {
    checkInteger('value', value, 0);
    this.#numbers.set(mapKey(key), value);
  }

  /** The number under `key`, 0 when there is none. Go: `GetUint64`. */
  getUint64(key: Uint8Array): number {
    return this.#numbers.get(mapKey(key)) ?? 0;
  }

  /** Keeps several values, all or none. Beyond Go. */
  setMany(writes: readonly StableWrite[]): void {
    for (const { value } of writes) {
      if (typeof value === 'number') checkInteger('value', value, 0);
    }
    for (const { key, value } of writes) {
      if (typeof value === 'number') this.setUint64(key, value);
      else this.set(key, value);
    }
  }

  #find(index: number): Log | undefined {
    return this.#pages.get(Math.floor(index / PAGE_ENTRIES))?.find(index);
  }

  #insert(logs: readonly Log[]): void {
    for (const log of logs) {
      this.#pageOf(log.index).set(log.index, log);
      if (this.#first === 0 || log.index < this.#first) this.#first = log.index;
      if (log.index > this.#last) this.#last = log.index;
    }
  }

  #pageOf(index: number): Page {
    const number = Math.floor(index / PAGE_ENTRIES);
    let page = this.#pages.get(number);
    if (page === undefined) {
      page = new Page();
      this.#pages.set(number, page);
      this.#pages.get(number - YOUNG_PAGES)?.pack();
    }
    return page;
  }

  #delete(min: number, max: number): void {
    for (const [number, page] of this.#pages) {
      const start = number * PAGE_ENTRIES;
      const end = start + PAGE_ENTRIES - 1;
      if (min > end || max < start) continue;
      if (min <= start && max >= end) {
        this.#pages.delete(number);
        continue;
      }
      for (let index = Math.max(min, start); index <= Math.min(max, end); index += 1) {
        page.set(index, undefined);
      }
      if (page.isEmpty) this.#pages.delete(number);
    }
    this.#findEnds();
  }

  /** A hole may lie where the log ended, so what is left says where it ends now. */
  #findEnds(): void {
    let oldest = Number.POSITIVE_INFINITY;
    let newest = 0;
    for (const number of this.#pages.keys()) {
      oldest = Math.min(oldest, number);
      newest = Math.max(newest, number);
    }
    [this.#first] = this.#pages.get(oldest)?.ends ?? [0];
    [, this.#last] = this.#pages.get(newest)?.ends ?? [0, 0];
  }
}

/** A new, empty store in memory. Go: `NewInmemStore`. */
export function newInmemStore(): InmemStore {
  return new InmemStore();
}
