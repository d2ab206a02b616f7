import { isPromiseLike } from '../internal/deferred.ts';
import { asError, RaftError } from '../raft/errors.ts';
import {
  isMonotonicStore,
  isRangeReading,
  isTailReplacing,
  type Log,
  type LogStore,
  type MaybePromise,
  type MonotonicLogStore,
  type RangeReadingLogStore,
  type TailReplacingLogStore,
} from '../raft/log.ts';
import { type Meter, supportsMeter, type WithMeter } from '../raft/metrics.ts';
import { collectRange } from './arguments.ts';

/** Hashicorp's wrapping; the code of the cause stays, since callers match on it. */
function wrapped(thrown: unknown): RaftError {
  const cause = asError(thrown);
  const code = cause instanceof RaftError ? cause.code : 'ERR_STORE_WRITE';
  const text = `unable to store logs within log store, err: ${JSON.stringify(cause.message)}`;
  return new RaftError(code, text, { cause });
}

/** What answers must do once a call has succeeded or failed, now or later. */
function settled(
  call: () => MaybePromise<void>,
  onSuccess: () => void,
  onFailure: (thrown: unknown) => unknown,
): MaybePromise<void> {
  let answer: MaybePromise<void>;
  try {
    answer = call();
  } catch (thrown) {
    throw onFailure(thrown);
  }
  if (isPromiseLike(answer)) {
    return answer.then(onSuccess, (thrown: unknown) => {
      throw onFailure(thrown);
    });
  }
  onSuccess();
}

/**
 * Keeps the entries written last in memory, in front of any log store: a ring in which index i lies
 * at slot i mod capacity. Entries are shared with the caller, not copied. It has `replaceTail` and
 * `getLogRange` when the store behind it has them. Go: `LogCache`.
 */
export class LogCache implements LogStore, MonotonicLogStore, WithMeter {
  /** Set when the store behind can replace a tail in one write. */
  readonly replaceTail?: TailReplacingLogStore['replaceTail'];
  /** Set when the store behind can read a range in one call. */
  readonly getLogRange?: RangeReadingLogStore['getLogRange'];
  readonly #store: LogStore;
  readonly #slots: (Log | undefined)[];
  /** Counts deletions: a write that was under way when one began must not fill the cache. */
  #generation = 0;

  /** Prefer {@link newLogCache}. */
  constructor(capacity: number, store: LogStore) {
    if (!Number.isSafeInteger(capacity) || capacity <= 0) {
      throw new RaftError('ERR_INVALID_ARGUMENT', 'capacity must be positive');
    }
    this.#store = store;
    this.#slots = new Array<Log | undefined>(capacity).fill(undefined);
    if (isTailReplacing(store)) {
      this.replaceTail = (from, logs) => this.#replaceTail(store, from, logs);
    }
    if (isRangeReading(store)) {
      this.getLogRange = (first, last, maxBytes) => this.#range(store, first, last, maxBytes);
    }
  }

  /** Gives the meter to the store behind, when that measures something. */
  useMeter(meter: Meter): void {
    if (supportsMeter(this.#store)) this.#store.useMeter(meter);
  }

  /** True when the store behind cannot hold gaps. Go: `LogCache.IsMonotonic`. */
  isMonotonic(): boolean {
    return isMonotonicStore(this.#store);
  }

  /** The first index of the store behind. Go: `LogCache.FirstIndex`. */
  firstIndex(): MaybePromise<number> {
    return this.#store.firstIndex();
  }

  /** The last index of the store behind. Go: `LogCache.LastIndex`. */
  lastIndex(): MaybePromise<number> {
    return this.#store.lastIndex();
  }

  /**
   * The entry at `index`, from memory when it is there. Throws or rejects with `ErrLogNotFound`
   * when there is none. Entries that had to be read are not kept. Go: `LogCache.GetLog`.
   */
  getLog(index: number): MaybePromise<Log> {
    return this.#cached(index) ?? this.#store.getLog(index);
  }

  /** Stores one entry; see {@link LogCache.storeLogs}. Go: `LogCache.StoreLog`. */
  storeLog(log: Log): MaybePromise<void> {
    return this.storeLogs([log]);
  }

  /**
   * Stores entries behind and, once that has succeeded, in memory. Fails with the text `unable to
   * store logs within log store, err: ...` and the code and cause of the store's error.
   * Go: `LogCache.StoreLogs`.
   */
  storeLogs(logs: readonly Log[]): MaybePromise<void> {
    return this.#write(logs, () => this.#store.storeLogs(logs));
  }

  /** Forgets and deletes from `min` to `max`, both included. Go: `LogCache.DeleteRange`. */
  deleteRange(min: number, max: number): MaybePromise<void> {
    this.#forget(min, max);
    return this.#store.deleteRange(min, max);
  }

  #replaceTail(
    store: TailReplacingLogStore,
    from: number,
    logs: readonly Log[],
  ): MaybePromise<void> {
    this.#forget(from, Number.MAX_SAFE_INTEGER);
    return this.#write(logs, () => store.replaceTail(from, logs));
  }

  #range(
    store: RangeReadingLogStore,
    first: number,
    last: number,
    maxBytes: number,
  ): MaybePromise<Log[]> {
    const cached = collectRange(first, last, maxBytes, (index) => this.#cached(index));
    return cached ?? store.getLogRange(first, last, maxBytes);
  }

  #write(logs: readonly Log[], call: () => MaybePromise<void>): MaybePromise<void> {
    const generation = this.#generation;
    const fill = () => {
      if (generation !== this.#generation) return;
      for (const log of logs) this.#slots[this.#slot(log.index)] = log;
    };
    return settled(call, fill, wrapped);
  }

  #forget(min: number, max: number): void {
    this.#generation += 1;
    for (const [slot, log] of this.#slots.entries()) {
      if (log !== undefined && log.index >= min && log.index <= max) this.#slots[slot] = undefined;
    }
  }

  #slot(index: number): number {
    return index % this.#slots.length;
  }

  #cached(index: number): Log | undefined {
    const log = this.#slots[this.#slot(index)];
    return log?.index === index ? log : undefined;
  }
}

/**
 * A cache of `capacity` entries (1 or more) in front of `store`. Throws `ERR_INVALID_ARGUMENT` with
 * the text `capacity must be positive`. Go: `NewLogCache`.
 */
export function newLogCache(capacity: number, store: LogStore): LogCache {
  return new LogCache(capacity, store);
}
