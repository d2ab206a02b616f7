import type { Clock, TimerHandle } from '../../internal/clock.ts';
import { RaftError } from '../errors.ts';
import type { SettableFuture } from '../future.ts';
import type { FsmLoop } from './fsm-loop.ts';
import type { Waiter } from './ledger.ts';

/**
 * The last step of a linear read (rule 11): the rules answer with the index to read at, and the
 * reader waits until the FSM has finished it.
 */
export class LinearReader implements Waiter {
  readonly #fsm: FsmLoop;
  readonly #future: SettableFuture<number>;
  readonly #limit: TimerHandle | null;

  /** @param timeoutMs limit of the whole read, 0 for none */
  constructor(
    node: { readonly fsm: FsmLoop; readonly clock: Clock },
    future: SettableFuture<number>,
    timeoutMs: number,
  ) {
    this.#fsm = node.fsm;
    this.#future = future;
    this.#limit =
      timeoutMs > 0 ? node.clock.setTimer(timeoutMs, () => this.#late(timeoutMs)) : null;
  }

  settle(value: unknown): void {
    const index = Number(value);
    const pending = this.#fsm.untilFinished(index);
    if (pending === undefined) this.#done(index);
    else
      pending.then(
        () => this.#done(index),
        (error: Error) => this.fail(error),
      );
  }

  fail(error: Error): void {
    this.#limit?.cancel();
    this.#future.fail(error);
  }

  #done(index: number): void {
    this.#limit?.cancel();
    this.#future.succeed(index);
  }

  #late(timeoutMs: number): void {
    const text = `the read was neither confirmed by a quorum nor applied within ${timeoutMs} ms`;
    this.#future.fail(new RaftError('ERR_READ_TIMEOUT', text));
  }
}
