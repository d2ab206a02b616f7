import type { Timestamp } from '../internal/timestamp.ts';

/**
 * What an entry of the log is for. The numbers are Go's; they are on the wire and on disk.
 * Go: `LogType`.
 */
export const LogType = Object.freeze({
  /** A command for the user's FSM. */
  LogCommand: 0,
  /** Asserts leadership: a new leader's first entry. */
  LogNoop: 1,
  /** Protocol 1 membership; only read, never written at protocol 3. */
  LogAddPeerDeprecated: 2,
  /** Protocol 1 membership; only read, never written at protocol 3. */
  LogRemovePeerDeprecated: 3,
  /** Waits until everything before it has been applied. */
  LogBarrier: 4,
  /** A membership configuration. */
  LogConfiguration: 5,
} as const);
/** One of the numbers of {@link LogType}. Go: `LogType`. */
export type LogType = (typeof LogType)[keyof typeof LogType];

const names = [
  'LogCommand',
  'LogNoop',
  'LogAddPeerDeprecated',
  'LogRemovePeerDeprecated',
  'LogBarrier',
  'LogConfiguration',
] as const;

/** A type by the name of its constant, or the number when unknown. Go: `LogType.String`. */
export function logTypeToString(type: number): string {
  return names[type] ?? String(type);
}

/** True for a number that names an entry type. */
export function isLogType(value: number): value is LogType {
  return Number.isInteger(value) && value >= 0 && value < names.length;
}

/**
 * One entry of the replicated log (§5.3). An entry is never changed once it has an index.
 * Go: `Log`.
 */
export interface Log {
  /** Position in the log, from 1. */
  readonly index: number;
  /** Term of the leader that wrote it. */
  readonly term: number;
  /** What it is for: only commands concern the FSM. */
  readonly type: LogType;
  /** The command; meaningful to the FSM only. `null` is Go's nil slice. */
  readonly data: Uint8Array | null;
  /** Opaque bytes beside the command, for middleware. `null` is Go's nil slice. */
  readonly extensions: Uint8Array | null;
  /** When the leader appended it, by the leader's clock. Go's zero time when never set. */
  readonly appendedAt: Timestamp;
}

/** A store may answer at once or later; a plain value is not made to wait a turn. */
export type MaybePromise<T> = T | Promise<T>;

/**
 * Where the log lives. Every write must be durable (fsynced) when the call has answered.
 * Calls may overlap: the store performs writes in the order of the calls. A write that throws or
 * rejects stops the node. `logStoreConformance` of `quorate/testing` holds a store to this.
 * Go: `LogStore`.
 */
export interface LogStore {
  /** The lowest index stored; 0 when the log is empty. Go: `LogStore.FirstIndex`. */
  firstIndex(): MaybePromise<number>;
  /** The highest index stored; 0 when the log is empty. Go: `LogStore.LastIndex`. */
  lastIndex(): MaybePromise<number>;
  /**
   * The entry at `index`; throws or rejects with `ErrLogNotFound` itself when there is none.
   * Go: `LogStore.GetLog`.
   */
  getLog(index: number): MaybePromise<Log>;
  /** Stores one entry. Go: `LogStore.StoreLog`. */
  storeLog(log: Log): MaybePromise<void>;
  /**
   * Stores entries, all or none. Holes between batches are allowed unless the store is monotonic.
   * Go: `LogStore.StoreLogs`.
   */
  storeLogs(logs: readonly Log[]): MaybePromise<void>;
  /**
   * Deletes from `min` to `max`, both included: the head, the tail or everything. A range with
   * nothing in it is no error. Go: `LogStore.DeleteRange`.
   */
  deleteRange(min: number, max: number): MaybePromise<void>;
}

/** Optional ability: replaces the tail of the log in one atomic, durable write. Beyond Go. */
export interface TailReplacingLogStore extends LogStore {
  /** Deletes everything from `from` on and stores `logs` there, as one transaction. */
  replaceTail(from: number, logs: readonly Log[]): MaybePromise<void>;
}

/** Optional ability: reads neighbouring entries in one call. Beyond Go. */
export interface RangeReadingLogStore extends LogStore {
  /**
   * Entries from `first` to `last`, both included, in order, stopping early once their data exceed
   * `maxBytes` (at least one entry is returned). Throws `ErrLogNotFound` when one is missing.
   */
  getLogRange(first: number, last: number, maxBytes: number): MaybePromise<Log[]>;
}

/** True when `store` can replace a tail in one write. */
export function isTailReplacing(store: LogStore): store is TailReplacingLogStore {
  return 'replaceTail' in store && typeof store.replaceTail === 'function';
}

/** True when `store` can read a range in one call. */
export function isRangeReading(store: LogStore): store is RangeReadingLogStore {
  return 'getLogRange' in store && typeof store.getLogRange === 'function';
}

/**
 * Optional ability: a store that cannot hold gaps says so, and is emptied on restore.
 * Go: `MonotonicLogStore`.
 */
export interface MonotonicLogStore {
  /** True when every index must follow the one before. Go: `MonotonicLogStore.IsMonotonic`. */
  isMonotonic(): boolean;
}

/** True when `store` says of itself that it cannot hold gaps. */
export function isMonotonicStore(store: LogStore): boolean {
  return (
    'isMonotonic' in store &&
    typeof store.isMonotonic === 'function' &&
    store.isMonotonic() === true
  );
}
