import { isPromiseLike } from '../../internal/deferred.ts';
import { RingBuffer } from '../../internal/ring-buffer.ts';
import { isRangeReading, type Log, type LogStore } from '../log.ts';
import type { Watchdog } from './watchdog.ts';

/** Entries kept in memory for followers and the FSM, once they are durable. */
const KEEP_ENTRIES = 8192;
const KEEP_BYTES = 32 * 1024 * 1024;
/** What an entry costs beside its bytes, by a rough count. */
const ENTRY_OVERHEAD_BYTES = 128;

/** The bytes that an entry holds in memory. */
export function sizeOf(entry: Log): number {
  return (entry.data?.length ?? 0) + (entry.extensions?.length ?? 0) + ENTRY_OVERHEAD_BYTES;
}

/**
 * Serves entries: the newest from memory, older ones from the store. What is not durable yet is
 * never dropped from memory, because no store could give it back.
 */
export class Entries {
  readonly #store: LogStore;
  readonly #watchdog: Watchdog | null;
  readonly #recent = new RingBuffer<Log>(1024);
  #firstIndex = 0;
  #bytes = 0;

  /** @param watchdog is told of every read that takes its time */
  constructor(store: LogStore, watchdog: Watchdog | null = null) {
    this.#store = store;
    this.#watchdog = watchdog;
  }

  get #nextIndex(): number {
    return this.#firstIndex + this.#recent.length;
  }

  /** Bytes held in memory. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes in entries that were just appended; those they replace are dropped. */
  append(entries: readonly Log[], durableIndex: number): void {
    const first = entries[0];
    if (first === undefined) return;
    this.truncateFrom(first.index);
    if (this.#recent.length === 0 || this.#nextIndex !== first.index) {
      this.clear();
      this.#firstIndex = first.index;
    }
    for (const entry of entries) {
      this.#recent.push(entry);
      this.#bytes += sizeOf(entry);
    }
    this.#evict(durableIndex);
  }

  /** Drops the entries from `from` on. */
  truncateFrom(from: number): void {
    while (this.#recent.length > 0 && this.#nextIndex > from) {
      const dropped = this.#recent.pop();
      if (dropped !== undefined) this.#bytes -= sizeOf(dropped);
    }
  }

  clear(): void {
    this.#recent.clear();
    this.#bytes = 0;
  }

  /**
   * Entries `first` to `last` in order, as many as fit into `maxBytes` and at least one. Answers at
   * once when memory or the store can. Throws or rejects with `ErrLogNotFound` for a missing entry.
   */
  read(first: number, last: number, maxBytes: number): Log[] | Promise<Log[]> {
    if (last < first) return [];
    if (first >= this.#firstIndex && first < this.#nextIndex) {
      return this.#fromMemory(first, last, maxBytes);
    }
    const lastStored = this.#recent.length === 0 ? last : Math.min(last, this.#firstIndex - 1);
    const end = Math.max(first, lastStored);
    const logs = isRangeReading(this.#store)
      ? this.#store.getLogRange(first, end, maxBytes)
      : this.#oneByOne(this.#store, first, end, maxBytes);
    if (!isPromiseLike(logs) || this.#watchdog === null) return logs;
    const watched = this.#watchdog.begin(`read of entries ${first} to ${end}`);
    return Promise.resolve(logs).finally(() => this.#watchdog?.end(watched));
  }

  #fromMemory(first: number, last: number, maxBytes: number): Log[] {
    const found: Log[] = [];
    let bytes = 0;
    for (let index = first; index <= last && index < this.#nextIndex; index += 1) {
      const entry = this.#recent.at(index - this.#firstIndex);
      if (entry === undefined) break;
      bytes += sizeOf(entry);
      if (bytes > maxBytes && found.length > 0) break;
      found.push(entry);
    }
    return found;
  }

  /** Stays synchronous as long as the store does. */
  #oneByOne(
    store: LogStore,
    first: number,
    last: number,
    maxBytes: number,
  ): Log[] | Promise<Log[]> {
    const found: Log[] = [];
    let bytes = 0;
    for (let index = first; index <= last; index += 1) {
      const entry = store.getLog(index);
      if (isPromiseLike(entry)) return this.#oneByOneLater(store, found, entry, last, maxBytes);
      bytes += sizeOf(entry);
      if (bytes > maxBytes && found.length > 0) break;
      found.push(entry);
    }
    return found;
  }

  async #oneByOneLater(
    store: LogStore,
    found: Log[],
    next: PromiseLike<Log>,
    last: number,
    maxBytes: number,
  ): Promise<Log[]> {
    let entry = await next;
    let bytes = found.reduce((sum, log) => sum + sizeOf(log), 0);
    for (;;) {
      bytes += sizeOf(entry);
      if (bytes > maxBytes && found.length > 0) return found;
      found.push(entry);
      if (entry.index >= last) return found;
      entry = await store.getLog(entry.index + 1);
    }
  }

  #evict(durableIndex: number): void {
    while (this.#recent.length > KEEP_ENTRIES || this.#bytes > KEEP_BYTES) {
      if (this.#firstIndex > durableIndex || this.#recent.length <= 1) return;
      const dropped = this.#recent.shift();
      this.#firstIndex += 1;
      if (dropped !== undefined) this.#bytes -= sizeOf(dropped);
    }
  }
}
