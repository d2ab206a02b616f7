import type { Configuration } from './configuration.ts';
import type { Log, MaybePromise } from './log.ts';
import type { SnapshotSink } from './snapshot.ts';

/**
 * The replicated state machine, which is the user's own. Its methods are called one at a time, in
 * log order. An `apply` that throws stops the node: return errors as values, as in Go. Go: `FSM`.
 */
export interface FSM {
  /** Applies one committed command; the result becomes `ApplyFuture.response()`. */
  apply(log: Log): unknown;
  /**
   * Takes a cheap picture of the state as it is now. `apply` goes on while the picture is
   * persisted, so later changes must not show in it; `newCowMap` is made for that.
   */
  snapshot(): MaybePromise<FSMSnapshot>;
  /** Replaces the whole state by the one that `reader` holds. */
  restore(reader: AsyncIterable<Uint8Array>): MaybePromise<void>;
}

/** Optional ability: applies many entries in one call. Go: `BatchingFSM`. */
export interface BatchingFSM extends FSM {
  /** Applies commands and configurations in order; must return exactly one result for each. */
  applyBatch(logs: readonly Log[]): MaybePromise<readonly unknown[]>;
}

/** Optional ability: is told every committed configuration. Go: `ConfigurationStore`. */
export interface ConfigurationStore extends FSM {
  storeConfiguration(index: number, configuration: Configuration): MaybePromise<void>;
}

/** A picture of the state, to be written down once. Go: `FSMSnapshot`. */
export interface FSMSnapshot {
  /** Writes the state to the sink. Closing the sink is allowed and not needed. */
  persist(sink: SnapshotSink): MaybePromise<void>;
  /** Is called exactly once when the picture is no longer needed, persisted or not. */
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
