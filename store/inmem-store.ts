import { copyBytes } from '../internal/bytes.ts';
import { ErrKeyNotFound, ErrLogNotFound } from '../raft/errors.ts';
import type { Log, RangeReadingLogStore, TailReplacingLogStore } from '../raft/log.ts';
import type { AtomicStableStore, StableWrite } from '../raft/stable.ts';
import { checkInteger, checkLogs, checkRange, collectRange } from './arguments.ts';

/** Bytes as a key of a `Map`; every byte counts, UTF-8 or not. */
function mapKey(key: Uint8Array): string {
  return key.join();
}

const PAGE_ENTRIES = 256;

/** Neighbouring entries; a place is empty where there is none. */
interface Page {
  readonly logs: (Log | undefined)[];
  count: number;
}

/**
 * A log and stable store in memory, for tests and simulations: everything is gone with the process.
 * Every call answers at once. Entries are kept as they are given, not copied. Go: `InmemStore`.
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
    return this.#pages.get(Math.floor(index / PAGE_ENTRIES))?.logs[index % PAGE_ENTRIES];
  }

  #insert(logs: readonly Log[]): void {
    for (const log of logs) {
      const page = this.#pageOf(log.index);
      const at = log.index % PAGE_ENTRIES;
      if (page.logs[at] === undefined) page.count += 1;
      page.logs[at] = log;
      if (this.#first === 0 || log.index < this.#first) this.#first = log.index;
      if (log.index > this.#last) this.#last = log.index;
    }
  }

  #pageOf(index: number): Page {
    const number = Math.floor(index / PAGE_ENTRIES);
    let page = this.#pages.get(number);
    if (page === undefined) {
      page = { logs: new Array<Log | undefined>(PAGE_ENTRIES).fill(undefined), count: 0 };
      this.#pages.set(number, page);
    }
    return page;
  }

  #delete(min: number, max: number): void {
    for (const [number, page] of this.#pages) {
      const start = number * PAGE_ENTRIES;
      const end = Math.min(max - start, PAGE_ENTRIES - 1);
      for (let at = Math.max(min - start, 0); at <= end; at += 1) {
        if (page.logs[at] === undefined) continue;
        page.logs[at] = undefined;
        page.count -= 1;
      }
      if (page.count === 0) this.#pages.delete(number);
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
    this.#first = this.#pages.get(oldest)?.logs.find((log) => log !== undefined)?.index ?? 0;
    this.#last = this.#pages.get(newest)?.logs.findLast((log) => log !== undefined)?.index ?? 0;
  }
}

/** A new, empty store in memory. Go: `NewInmemStore`. */
export function newInmemStore(): InmemStore {
  return new InmemStore();
}
