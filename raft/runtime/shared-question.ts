import { isPromiseLike } from '../../internal/deferred.ts';
import { soon } from '../../internal/soon.ts';
import type { MainInput, Ticket } from '../core/input.ts';
import { ErrEnqueueTimeout, ErrRaftShutdown } from '../errors.ts';
import type { SettableFuture } from '../future.ts';
import type { MaybePromise } from '../log.ts';
import type { Ledger, Waiter } from './ledger.ts';

/** What a question needs from its node. */
export interface Asked {
  readonly ledger: Ledger;
  readonly isStopped: boolean;
  readonly post: (input: MainInput) => void;
}

/** Everybody who asked in one breath. */
class Breath<T> implements Waiter {
  readonly #answer: (value: unknown) => MaybePromise<T>;
  readonly #futures: SettableFuture<T>[];

  constructor(first: SettableFuture<T>, answer: (value: unknown) => MaybePromise<T>) {
    this.#futures = [first];
    this.#answer = answer;
  }

  get others(): number {
    return this.#futures.length - 1;
  }

  add(future: SettableFuture<T>): void {
    this.#futures.push(future);
  }

  settle(value: unknown): void {
    const answer = this.#answer(value);
    if (!isPromiseLike(answer)) this.#succeed(answer);
    else
      answer.then(
        (later) => this.#succeed(later),
        (error: Error) => this.fail(error),
      );
  }

  fail(error: Error): void {
    for (const future of this.#futures) future.fail(error);
  }

  #succeed(answer: T): void {
    for (const future of this.#futures) future.succeed(answer);
  }
}

/**
 * A question that many may ask at once. Whoever asks in the same breath, before the micro-tasks
 * that are queued now have run, shares a ticket: the rules see one question and give one answer,
 * however many wait for it. All that one answer has woken ask the next question in one breath. What
 * is asked later is another question, because the rules may have answered the first by then.
 */
export class SharedQuestion<T> {
  readonly #node: Asked;
  readonly #input: (ticket: Ticket) => MainInput;
  readonly #answer: (value: unknown) => MaybePromise<T>;
  #breath: Breath<T> | null = null;

  /** @param answer makes of what the rules say what callers are told, at once or later */
  constructor(
    node: Asked,
    input: (ticket: Ticket) => MainInput,
    answer: (value: unknown) => MaybePromise<T>,
  ) {
    this.#node = node;
    this.#input = input;
    this.#answer = answer;
  }

  /** Asks on behalf of one more caller. */
  ask(future: SettableFuture<T>): void {
    const { ledger, isStopped } = this.#node;
    if (isStopped) future.fail(ErrRaftShutdown);
    else if (ledger.isFull) future.fail(ErrEnqueueTimeout);
    else if (this.#breath === null) this.#begin(future);
    else {
      ledger.join();
      this.#breath.add(future);
    }
  }

  #begin(first: SettableFuture<T>): void {
    const { ledger, post } = this.#node;
    this.#breath = new Breath(first, this.#answer);
    const ticket = ledger.open(this.#breath);
    soon(() => {
      this.#breath = null;
      post(this.#input(ticket));
    });
  }
}
