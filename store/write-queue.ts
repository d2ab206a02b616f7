import { type Deferred, newDeferred } from '../internal/deferred.ts';
import { RingBuffer } from '../internal/ring-buffer.ts';
import { asError, RaftError } from '../raft/errors.ts';

/** What a queue must know of a write. */
export interface QueuedWrite {
  readonly sizeBytes: number;
}

/** How writes become transactions. */
export interface WriteQueueOptions<W extends QueuedWrite> {
  /** Bytes from which on a transaction takes no further write; a single larger write goes alone. */
  readonly maxBatchBytes: number;
  /**
   * True when `next` may join the transaction of `batch` (which may be empty) and need not wait for
   * `held`, the write that is done in steps at the moment.
   */
  admits(batch: readonly W[], next: W, held: W | undefined): boolean;
  /**
   * Performs writes as one atomic, durable transaction; rejects when nothing of it was written.
   * Resolves with false when the write, alone in its batch, has further steps to do.
   */
  commit(batch: readonly W[]): Promise<boolean>;
}

interface Waiting<W> {
  readonly write: W;
  readonly answer: Deferred<void>;
}

/**
 * The one way to the disk: writes are performed in the order in which they were added, one
 * transaction at a time. Writes that wait for the same transaction share it. The first failure is
 * the last: everything behind it is refused, because it may rest on what was lost.
 *
 * A write that is done in steps lets those go ahead that do not touch what it touches, one
 * transaction between two steps. How much may wait is for the callers to bound.
 */
export class WriteQueue<W extends QueuedWrite> {
  readonly #options: WriteQueueOptions<W>;
  readonly #waiting = new RingBuffer<Waiting<W>>();
  #held: Waiting<W> | undefined;
  #failure: Error | null = null;
  #drained: Promise<void> = Promise.resolve();
  #running = false;

  constructor(options: WriteQueueOptions<W>) {
    this.#options = options;
  }

  /**
   * Queues a write; resolves when it is durable. What is added in one turn shares a transaction.
   */
  add(write: W): Promise<void> {
    if (this.#failure !== null) return Promise.reject(refusal(this.#failure));
    const answer = newDeferred<void>();
    this.#waiting.push({ write, answer });
    if (!this.#running) {
      this.#running = true;
      this.#drained = Promise.resolve().then(() => this.#drain());
    }
    return answer.promise;
  }

  /** Resolves when everything that was added has been answered. Never rejects. */
  idle(): Promise<void> {
    return this.#drained;
  }

  async #drain(): Promise<void> {
    let stepIsNext = false;
    for (;;) {
      const others: Waiting<W>[] = stepIsNext ? [] : this.#take();
      const batch: Waiting<W>[] =
        others.length === 0 && this.#held !== undefined ? [this.#held] : others;
      if (batch.length === 0) break;
      try {
        const finished = await this.#options.commit(batch.map(({ write }) => write));
        stepIsNext = this.#held !== undefined && batch === others;
        if (finished) this.#settle(batch);
        else this.#held = batch[0];
      } catch (thrown) {
        this.#fail(asError(thrown), batch);
      }
    }
    this.#running = false;
  }

  #take(): Waiting<W>[] {
    const batch: Waiting<W>[] = [];
    const writes: W[] = [];
    let sizeBytes = 0;
    for (let next = this.#waiting.at(0); next !== undefined; next = this.#waiting.at(0)) {
      if (!this.#options.admits(writes, next.write, this.#held?.write)) break;
      sizeBytes += next.write.sizeBytes;
      if (batch.length > 0 && sizeBytes > this.#options.maxBatchBytes) break;
      this.#waiting.shift();
      batch.push(next);
      writes.push(next.write);
    }
    return batch;
  }

  #settle(batch: readonly Waiting<W>[]): void {
    if (batch[0] === this.#held) this.#held = undefined;
    for (const { answer } of batch) answer.resolve();
  }

  #fail(failure: Error, batch: readonly Waiting<W>[]): void {
    this.#failure = failure;
    for (const { answer } of batch) answer.reject(failure);
    // Rejecting the held write a second time, when the step itself failed, does nothing.
    this.#held?.answer.reject(refusal(failure));
    this.#held = undefined;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      next.answer.reject(refusal(failure));
    }
  }
}

function refusal(failure: Error): RaftError {
  return new RaftError(
    'ERR_STORE_FAILED',
    `not written, because an earlier write to the store failed: ${failure.message}`,
    { cause: failure },
  );
}
