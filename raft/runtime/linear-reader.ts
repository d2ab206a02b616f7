import { RaftError } from '../errors.ts';
import type { MaybePromise } from '../log.ts';
import type { FsmLoop } from './fsm-loop.ts';

/**
 * The last step of a linear read (rule 11): the rules have answered with the index to read at, and
 * the reader waits until the FSM has finished it.
 */
export function readAt(fsm: FsmLoop, index: number): MaybePromise<number> {
  const pending = fsm.untilFinished(index);
  return pending === undefined ? index : pending.then(() => index);
}

/** What a read fails with that took longer than its caller would wait. */
export function readTimedOut(timeoutMs: number): RaftError {
  const text = `the read was neither confirmed by a quorum nor applied within ${timeoutMs} ms`;
  return new RaftError('ERR_READ_TIMEOUT', text);
}
