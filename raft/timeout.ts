import { onAbort } from '../internal/abort.ts';
import { checkTimeout, describe } from './arguments.ts';
import { RaftError } from './errors.ts';

/**
 * How long a call may wait, and what ends the wait early. Giving up takes nothing back: a command
 * that the main lane has taken in may take effect all the same, and `outcome()` says whether it had
 * been.
 *
 * @example
 * ```ts
 * import { makeCluster } from 'quorate/testing';
 *
 * await using cluster = await makeCluster(1);
 * const raft = await cluster.leader();
 * const caller = new AbortController();
 * const future = raft.apply(new Uint8Array([1]), { timeout: 1000, signal: caller.signal });
 * caller.abort(new Error('the client has hung up'));
 * console.log((await future.error())?.message);
 * console.log(future.outcome());
 * ```
 * ```text
 * the caller gave up waiting: the client has hung up
 * not-applied
 * ```
 */
export interface TimeoutOptions {
  /** Milliseconds, 0 or more; 0, the default, waits for ever. */
  readonly timeout?: number | undefined;
  /** Once it is aborted, the call fails with `ERR_ABORTED` and the signal's reason as its cause. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * A limit of a wait: milliseconds as in Go, 0 to wait for ever; or those together with an
 * `AbortSignal`, which Go does not have.
 */
export type Timeout = number | TimeoutOptions;

/** A timeout that was checked, in parts. */
export interface Limits {
  /** 0 for none. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

function isAbortSignal(value: object): value is AbortSignal {
  return 'aborted' in value && 'addEventListener' in value;
}

/** Takes a timeout apart; throws `ERR_INVALID_ARGUMENT` unless it is one. */
export function limitsOf(timeout: Timeout): Limits {
  if (typeof timeout !== 'object' || timeout === null) {
    checkTimeout(timeout);
    return { timeoutMs: timeout, signal: undefined };
  }
  const { timeout: timeoutMs = 0, signal } = timeout;
  checkTimeout(timeoutMs);
  if (signal !== undefined && (typeof signal !== 'object' || !isAbortSignal(signal))) {
    const text = `signal must be an AbortSignal, got ${describe(signal)}`;
    throw new RaftError('ERR_INVALID_ARGUMENT', text);
  }
  return { timeoutMs, signal };
}

/** What a call fails with whose signal is aborted. */
export function abortedBy(signal: AbortSignal): RaftError {
  const reason: unknown = signal.reason;
  const text = reason instanceof Error ? reason.message : String(reason);
  return new RaftError('ERR_ABORTED', `the caller gave up waiting: ${text}`, { cause: reason });
}

/** Something that somebody waits for, and may give up. */
interface Awaited {
  whenSettled(run: () => void): void;
}

/** Calls `giveUp` when `signal` is aborted while the future is not done; or at once. */
export function giveUpOn(
  signal: AbortSignal | undefined,
  future: Awaited,
  giveUp: (error: Error) => void,
): void {
  if (signal === undefined) return;
  if (signal.aborted) giveUp(abortedBy(signal));
  else future.whenSettled(onAbort(signal, () => giveUp(abortedBy(signal))));
}
