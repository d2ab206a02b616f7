import { asError, RaftError } from '../../raft/errors.ts';
import { PipeClosedError } from './pipe.ts';
import type { Told } from './tasks.ts';

/** Ends when one of the signals does that it was made of, or when it is told to. */
export class Cancellation {
  readonly #controller = new AbortController();
  readonly #signals: readonly AbortSignal[];

  constructor(...signals: readonly (AbortSignal | undefined)[]) {
    this.#signals = signals.filter((signal) => signal !== undefined);
    for (const signal of this.#signals) {
      if (signal.aborted) this.cancel();
      signal.addEventListener('abort', this.cancel);
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  readonly cancel = (): void => {
    this.#controller.abort(new RaftError('ERR_SNAPSHOT_CANCELLED', 'the snapshot was cancelled'));
  };

  /** No longer listens to anybody. */
  forget(): void {
    for (const signal of this.#signals) signal.removeEventListener('abort', this.cancel);
  }
}

/** What belongs to one task of a worker on the main thread. */
export interface Errand {
  readonly cancellation: Cancellation;
  /** The worker's part. */
  readonly task: Promise<Told>;
  /** What feeds it, and what takes what it gives. */
  readonly work: readonly Promise<void>[];
  /** Our ends of its pipes. */
  readonly pipes: readonly { close(): void }[];
}

/**
 * Resolves with what the worker told when it has ended and all work beside it. When one of them
 * fails, ends the others and rejects with that failure, after they have ended.
 */
export async function finish({ cancellation, task, work, pipes }: Errand): Promise<Told> {
  // That a pipe has closed is a consequence: why is known to the task.
  const causes = work.map((one) =>
    one.catch(async (thrown: unknown) => {
      if (thrown instanceof PipeClosedError) await task;
      throw thrown;
    }),
  );
  try {
    await Promise.all([task, ...causes]);
    return await task;
  } catch (thrown) {
    cancellation.cancel();
    for (const pipe of pipes) pipe.close();
    await Promise.allSettled([task, ...causes]);
    throw asError(thrown);
  } finally {
    for (const pipe of pipes) pipe.close();
    cancellation.forget();
  }
}
