import type { Clock } from '../../internal/clock.ts';
import type { HeldReader } from '../../internal/held-reader.ts';
import { asError, ErrRaftShutdown, RaftError } from '../errors.ts';

/**
 * Moves the bytes of a snapshot from a stream that others feed into a store of others, chunk by
 * chunk: whoever of them falls silent holds nobody up for ever, and whoever started the pump can
 * stop it at any time. One stream at a time.
 */
export class ChunkPump {
  readonly #clock: Clock;
  readonly #silenceLimitMs: number;
  /** Ends what is waited for at the moment. */
  #abort: ((error: Error) => void) | null = null;
  #stopped: Error | null = null;

  constructor(clock: Clock, silenceLimitMs: number) {
    this.#clock = clock;
    this.#silenceLimitMs = silenceLimitMs;
  }

  /** Calls `take` with every chunk, until the end, a long silence, or {@link stop}. */
  async each(reader: HeldReader, take: (chunk: Uint8Array) => Promise<unknown>): Promise<void> {
    const iterator = reader[Symbol.asyncIterator]();
    for (;;) {
      const next = await this.within(iterator.next(), 'the sender of a snapshot');
      if (next.done === true) return;
      await this.within(take(next.value), 'the snapshot store');
    }
  }

  /** Ends what is being moved, and moves nothing more. */
  stop(error: Error = ErrRaftShutdown): void {
    this.#stopped ??= error;
    this.#abort?.(error);
  }

  /**
   * What `work` comes to, unless it takes too long. Each call has a promise of its own: racing
   * against one that lives as long as the node would keep every chunk alive with it.
   */
  within<T>(work: Promise<T>, who: string): Promise<T> {
    const limitMs = this.#silenceLimitMs;
    return new Promise((resolve, reject) => {
      const limit = this.#clock.setTimer(limitMs, () => {
        const text = `${who} was silent for ${limitMs} ms`;
        end(() => reject(new RaftError('ERR_SNAPSHOT_STALLED', text)));
      });
      const end = (settle: () => void): void => {
        limit.cancel();
        this.#abort = null;
        settle();
      };
      this.#abort = (error) => end(() => reject(error));
      work.then(
        (value) => end(() => resolve(value)),
        (error: unknown) => end(() => reject(asError(error))),
      );
      if (this.#stopped !== null) this.#abort(this.#stopped);
    });
  }
}
