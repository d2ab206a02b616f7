import type { Clock } from '../../internal/clock.ts';
import type { HeldReader } from '../../internal/held-reader.ts';
import { asError, ErrRaftShutdown, RaftError } from '../errors.ts';

/**
 * Moves the bytes of a snapshot from a stream that others feed, chunk by chunk: a feeder that falls
 * silent holds nobody up for ever, and whoever started the pump can stop it between two chunks. One
 * stream at a time.
 */
export class ChunkPump {
  readonly #clock: Clock;
  readonly #silenceLimitMs: number;
  /** Ends what is being read at the moment. */
  #abort: ((error: Error) => void) | null = null;
  #stopped: Error | null = null;

  constructor(clock: Clock, silenceLimitMs: number) {
    this.#clock = clock;
    this.#silenceLimitMs = silenceLimitMs;
  }

  /** Calls `take` with every chunk, until the end, a long silence, or {@link stop}. */
  async each(reader: HeldReader, take: (chunk: Uint8Array) => Promise<void>): Promise<void> {
    const iterator = reader[Symbol.asyncIterator]();
    for (;;) {
      const next = await this.#next(iterator);
      if (next.done === true) return;
      await take(next.value);
    }
  }

  /** Ends what is being moved, and moves nothing more. */
  stop(error: Error = ErrRaftShutdown): void {
    this.#stopped ??= error;
    this.#abort?.(error);
  }

  /**
   * The next chunk. Each has a promise of its own: racing against one that lives as long as the
   * node would keep every chunk alive with it.
   */
  #next(iterator: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
    const limitMs = this.#silenceLimitMs;
    if (this.#stopped !== null) return Promise.reject(this.#stopped);
    return new Promise((resolve, reject) => {
      const limit = this.#clock.setTimer(limitMs, () => {
        const text = `the sender of a snapshot was silent for ${limitMs} ms`;
        end(() => reject(new RaftError('ERR_SNAPSHOT_STALLED', text)));
      });
      const end = (settle: () => void): void => {
        limit.cancel();
        this.#abort = null;
        settle();
      };
      this.#abort = (error) => end(() => reject(error));
      iterator.next().then(
        (next) => end(() => resolve(next)),
        (error: unknown) => end(() => reject(asError(error))),
      );
    });
  }
}
