import { copyBytes } from '../internal/bytes.ts';
import { ErrKeyNotFound, ErrLogNotFound } from '../raft/errors.ts';
import type { Log, RangeReadingLogStore, TailReplacingLogStore } from '../raft/log.ts';
import type { AtomicStableStore, StableWrite } from '../raft/stable.ts';
import { checkInteger, checkLogs, checkRange, collectRange } from './arguments.ts';

/** Bytes as a key of a `Map`; every byte counts, UTF-8 or not. */
function mapKey(key: Uint8Array): string {
  return key.join();
}

/**
 * A log and stable store in memory, for tests and simulations: everything is gone with the process.
 * Every call answers at once. Entries are kept as they are given, not copied. Go: `InmemStore`.
 */
export class InmemStore implements TailReplacingLogStore, RangeReadingLogStore, AtomicStableStore {
  readonly #logs = new Map<number, Log>();
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
    const log = this.#logs.get(index);
    if (log === undefined) throw ErrLogNotFound;
    return log;
  }

  /** Entries from `first` to `last`; see {@link RangeReadingLogStore.getLogRange}. */
  getLogRange(first: number, last: number, maxBytes: number): Log[] {
    const logs = collectRange(first, last, maxBytes, (index) => this.#logs.get(index));
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

  #insert(logs: readonly Log[]): void {
    for (const log of logs) {
      this.#logs.set(log.index, log);
      if (this.#first === 0 || log.index < this.#first) this.#first = log.index;
      if (log.index > this.#last) this.#last = log.index;
    }
  }

  #delete(min: number, max: number): void {
    const low = Math.max(min, this.#first);
    const high = Math.min(max, this.#last);
    // A hole may be far wider than the log is long.
    if (high - low < this.#logs.size) {
      for (let index = low; index <= high; index += 1) this.#logs.delete(index);
    } else {
      for (const index of this.#logs.keys()) {
        if (index >= low && index <= high) this.#logs.delete(index);
      }
    }
    if (low === this.#first) this.#first = this.#nearest(high + 1, Math.min);
    if (high === this.#last) this.#last = this.#nearest(low - 1, Math.max);
  }

  /** `index` when it is stored; beyond a hole, the `best` of what is left; 0 for an empty log. */
  #nearest(index: number, best: (a: number, b: number) => number): number {
    if (this.#logs.has(index)) return index;
    let found = 0;
    for (const key of this.#logs.keys()) found = found === 0 ? key : best(found, key);
    return found;
  }
}

/** A new, empty store in memory. Go: `NewInmemStore`. */
export function newInmemStore(): InmemStore {
  return new InmemStore();
}
