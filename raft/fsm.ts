import { describe } from './arguments.ts';
import type { Configuration } from './configuration.ts';
import { RaftError } from './errors.ts';
import type { Log, MaybePromise } from './log.ts';
import type { SnapshotSink } from './snapshot.ts';

/**
 * The replicated state machine, which is the user's own. Its methods are called one at a time, in
 * log order. An `apply` that throws stops the node: return errors as values, as in Go. Go: `FSM`.
 */
export interface FSM {
  /**
   * Applies one committed command; the result, or what its promise gives, becomes
   * `ApplyFuture.response()`. It must depend on nothing but the state and the entry (§5.3).
   * The bytes of the entry may be kept, but not changed and not moved to another thread: followers
   * may still have to get them. Throwing or rejecting stops the node. Go: `FSM.Apply`.
   */
  apply(log: Log): unknown;
  /**
   * Takes a cheap picture of the state as it is now (§7). `apply` goes on while the picture is
   * persisted, so later changes must not show in it; `newCowMap` is made for that. Throwing or
   * rejecting fails this one snapshot. Go: `FSM.Snapshot`.
   */
  snapshot(): MaybePromise<FSMSnapshot>;
  /**
   * Replaces the whole state by the one that `reader` holds. Not called while another method runs;
   * a picture may still be persisted meanwhile. Throwing or rejecting fails what asked for it: the
   * start, the installation of a leader's snapshot, or a user's restore. Go: `FSM.Restore`.
   */
  restore(reader: AsyncIterable<Uint8Array>): MaybePromise<void>;
}

/** Optional ability: applies many entries in one call. Go: `BatchingFSM`. */
export interface BatchingFSM extends FSM {
  /**
   * Applies commands and configurations in order, at most `Config.maxAppendEntries` of them; must
   * return exactly one result for each. Another number, throwing or rejecting stops the node.
   * Go: `BatchingFSM.ApplyBatch`.
   */
  applyBatch(logs: readonly Log[]): MaybePromise<readonly unknown[]>;
}

/** Optional ability: is told every committed configuration. Go: `ConfigurationStore`. */
export interface ConfigurationStore extends FSM {
  /**
   * Is told a configuration when it is committed, in its place among the commands.
   * Go: `ConfigurationStore.StoreConfiguration`.
   *
   * @param index where the configuration is in the log, from 1
   * @param configuration the membership from there on
   */
  storeConfiguration(index: number, configuration: Configuration): MaybePromise<void>;
}

/** A picture of the state, to be written down once. Go: `FSMSnapshot`. */
export interface FSMSnapshot {
  /**
   * Writes the state to the sink, while `apply` goes on. Closing the sink is allowed and not
   * needed. Throwing or rejecting cancels the snapshot. Go: `FSMSnapshot.Persist`.
   */
  persist(sink: SnapshotSink): MaybePromise<void>;
  /**
   * Is called exactly once when the picture is no longer needed, persisted or not.
   * Go: `FSMSnapshot.Release`.
   */
  release(): void;
}

/** True when `fsm` applies batches. */
export function isBatchingFSM(fsm: FSM): fsm is BatchingFSM {
  return 'applyBatch' in fsm && typeof fsm.applyBatch === 'function';
}

/** True when `fsm` wants to know configurations. */
export function isConfigurationStore(fsm: FSM): fsm is ConfigurationStore {
  return 'storeConfiguration' in fsm && typeof fsm.storeConfiguration === 'function';
}

/** What a state machine gave for a snapshot; throws `ERR_FSM_ANSWER` when it is none. */
export function checkSnapshot(answer: unknown): FSMSnapshot {
  const { persist, release }: Partial<FSMSnapshot> = Object(answer);
  if (typeof persist === 'function' && typeof release === 'function') return answer as FSMSnapshot;
  const text = 'expected snapshot() of the FSM to give persist() and release(), got';
  throw new RaftError('ERR_FSM_ANSWER', `${text} ${describe(answer)}`);
}
