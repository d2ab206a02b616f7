import { isKeyNotFound } from './errors.ts';
import type { MaybePromise } from './log.ts';

/**
 * Where a node keeps what must survive it: its term and its vote (figure 2, persistent state).
 * Every write must be durable (fsynced) when the call has answered. A write that throws or rejects
 * stops the node: what a disk has once refused is not trusted again. Go: `StableStore`.
 */
export interface StableStore {
  /** Keeps bytes under a key, in place of those it had. Go: `StableStore.Set`. */
  set(key: Uint8Array, value: Uint8Array): MaybePromise<void>;
  /**
   * The bytes under a key, or an empty array when there are none; `ErrKeyNotFound`, or any error
   * with its text "not found", may be thrown instead. Go: `StableStore.Get`.
   */
  get(key: Uint8Array): MaybePromise<Uint8Array>;
  /**
   * Keeps a number, 0 to 2^53-1, under a key. Whether `get` sees it is the store's affair.
   * Go: `StableStore.SetUint64`.
   */
  setUint64(key: Uint8Array, value: number): MaybePromise<void>;
  /**
   * The number under a key, or 0 when there is none; `ErrKeyNotFound`, or any error with its text
   * "not found", may be thrown instead. Go: `StableStore.GetUint64`.
   */
  getUint64(key: Uint8Array): MaybePromise<number>;
}

/** One write of a {@link AtomicStableStore}. Beyond Go. */
export interface StableWrite {
  /** What it is kept under. */
  readonly key: Uint8Array;
  /** Bytes as for `set`, or a number, 0 to 2^53-1, as for `setUint64`. */
  readonly value: Uint8Array | number;
}

/** Optional ability: writes several keys in one atomic, durable write. Beyond Go. */
export interface AtomicStableStore extends StableStore {
  /** Performs all writes, or none: also when it throws or rejects, or when the power goes. */
  setMany(writes: readonly StableWrite[]): MaybePromise<void>;
}

/** True when `store` can write several keys at once. */
export function isAtomicStable(store: StableStore): store is AtomicStableStore {
  return 'setMany' in store && typeof store.setMany === 'function';
}

const encoder = new TextEncoder();
/** Key of the current term. The same bytes as in Go, so that a converted store means the same. */
export const KEY_CURRENT_TERM = encoder.encode('CurrentTerm');
/** Key of the term in which the last vote was given. */
export const KEY_LAST_VOTE_TERM = encoder.encode('LastVoteTerm');
/** Key of the candidate (encoded address) that the last vote went to. */
export const KEY_LAST_VOTE_CANDIDATE = encoder.encode('LastVoteCand');

/** Reads a number; a missing key is 0, however the store says so. */
export async function readUint64(store: StableStore, key: Uint8Array): Promise<number> {
  try {
    return await store.getUint64(key);
  } catch (error) {
    if (isKeyNotFound(error)) return 0;
    throw error;
  }
}

/** Reads bytes; a missing key is `null`, however the store says so. */
export async function readBytes(store: StableStore, key: Uint8Array): Promise<Uint8Array | null> {
  try {
    const value = await store.get(key);
    return value.length === 0 ? null : value;
  } catch (error) {
    if (isKeyNotFound(error)) return null;
    throw error;
  }
}
