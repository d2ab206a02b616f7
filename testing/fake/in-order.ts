import { isPromiseLike } from '../../internal/deferred.ts';
import type { MaybePromise } from '../../raft/log.ts';

/** Runs one thing after the other; at once when nothing is under way. */
export class InOrder {
  #tail: Promise<void> | null = null;

  /** True when nothing is under way. */
  get isIdle(): boolean {
    return this.#tail === null;
  }

  /** @param task must not fail */
  run(task: () => MaybePromise<void>): void {
    const pending = this.#tail === null ? task() : this.#tail.then(task);
    if (!isPromiseLike(pending)) return;
    const tail = Promise.resolve(pending).finally(() => {
      if (this.#tail === tail) this.#tail = null;
    });
    this.#tail = tail;
  }

  /** Runs something that may fail, and tells how it went. */
  settle<T>(
    task: () => MaybePromise<T>,
    done: (value: T) => void,
    failed: (error: unknown) => void,
  ): void {
    this.run(() => {
      try {
        const value = task();
        if (isPromiseLike(value)) return Promise.resolve(value).then(done, failed);
        done(value);
      } catch (error) {
        failed(error);
      }
      return undefined;
    });
  }
}
