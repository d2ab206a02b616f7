import { isPromiseLike } from '../../internal/deferred.ts';
import { RaftError } from '../../raft/errors.ts';
import type { Log, LogStore, MaybePromise, MonotonicLogStore } from '../../raft/log.ts';

/**
 * Makes any log store one that cannot hold gaps, to test what a node does with such a store.
 * Stricter than Go's, which only says so: over a store that answers at once, as `InmemStore`, a gap
 * is refused. Go: `MockMonotonicLogStore`.
 */
export class MockMonotonicLogStore implements LogStore, MonotonicLogStore {
  readonly #store: LogStore;

  /** @param store keeps the entries */
  constructor(store: LogStore) {
    this.#store = store;
  }

  /** True, always. Go: `MockMonotonicLogStore.IsMonotonic`. */
  isMonotonic(): boolean {
    return true;
  }

  /**
   * The lowest index of the store inside, 0 when it is empty.
   * Go: `MockMonotonicLogStore.FirstIndex`.
   */
  firstIndex(): MaybePromise<number> {
    return this.#store.firstIndex();
  }

  /**
   * The highest index of the store inside, 0 when it is empty.
   * Go: `MockMonotonicLogStore.LastIndex`.
   */
  lastIndex(): MaybePromise<number> {
    return this.#store.lastIndex();
  }

  /** The entry at `index`, or `ErrLogNotFound`. Go: `MockMonotonicLogStore.GetLog`. */
  getLog(index: number): MaybePromise<Log> {
    return this.#store.getLog(index);
  }

  /**
   * Stores one entry; see {@link MockMonotonicLogStore.storeLogs}.
   * Go: `MockMonotonicLogStore.StoreLog`.
   */
  storeLog(log: Log): MaybePromise<void> {
    return this.storeLogs([log]);
  }

  /**
   * Stores entries that follow what is there. Throws `ERR_LOG_NOT_MONOTONIC`, and stores none, when
   * one does not follow the entry before it. Go: `MockMonotonicLogStore.StoreLogs`.
   */
  storeLogs(logs: readonly Log[]): MaybePromise<void> {
    const last = this.#store.lastIndex();
    if (!isPromiseLike(last)) checkFollows(last, logs);
    return this.#store.storeLogs(logs);
  }

  /** Deletes from `min` to `max`, both included. Go: `MockMonotonicLogStore.DeleteRange`. */
  deleteRange(min: number, max: number): MaybePromise<void> {
    return this.#store.deleteRange(min, max);
  }
}

function checkFollows(lastIndex: number, logs: readonly Log[]): void {
  let before = lastIndex;
  for (const { index } of logs) {
    if (before !== 0 && index !== before + 1) {
      const text = `expected the entry ${before + 1} to follow ${before}, got ${index}`;
      throw new RaftError('ERR_LOG_NOT_MONOTONIC', text);
    }
    before = index;
  }
}
