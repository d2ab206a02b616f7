import type { Clock, TimerHandle } from '../internal/clock.ts';
import { type Deferred, newDeferred } from '../internal/deferred.ts';
import type { Decoder } from '../internal/msgpack/decode.ts';
import { RingBuffer } from '../internal/ring-buffer.ts';
import type { ServerAddress } from '../raft/configuration.ts';
import { asError, RaftError } from '../raft/errors.ts';
import { ReceiveBuffer } from './receive-buffer.ts';
import { type StreamConnection, type StreamHandler, writeAll } from './stream-layer.ts';
import { type Answer, type ReplyReader, readAnswer, VALUES_PER_REPLY } from './wire.ts';

interface Pending {
  readonly timeoutMs: number;
  /** Reads the reply, or throws when it is malformed; gives the way to pass it on. */
  readonly answered: (decoder: Decoder) => () => void;
  readonly broken: (error: Error) => void;
}

/**
 * The calling end of a connection. Requests go out as they come; replies come back in the same
 * order, so the oldest one that waits owns the next reply. The first thing that goes wrong (a late
 * reply, a malformed one, one that nobody asked for, a lost connection) ends the connection and
 * every call on it.
 */
export class ClientConnection implements StreamHandler {
  readonly target: ServerAddress;
  readonly #stream: StreamConnection;
  readonly #clock: Clock;
  readonly #buffer = new ReceiveBuffer();
  readonly #pending = new RingBuffer<Pending>();
  #deadlineMs = 0;
  #timer: TimerHandle | null = null;
  #failure: Error | null = null;
  #drained: Deferred<void> | null = null;
  #whenBroken: (error: Error) => void = () => {};

  constructor(target: ServerAddress, stream: StreamConnection, clock: Clock) {
    this.target = target;
    this.#stream = stream;
    this.#clock = clock;
    stream.start(this);
  }

  /** Why the connection ended, `null` while it has not. */
  get failure(): Error | null {
    return this.#failure;
  }

  get closed(): Promise<void> {
    return this.#stream.closed;
  }

  /** Who wants to know that the connection ended; replaces who did before. */
  onBroken(listener: (error: Error) => void): void {
    this.#whenBroken = listener;
  }

  /**
   * Sends a request, in parts that must not change any more. `done` is called once: with the peer's
   * answer, or with the reason why there is none and the connection is gone. The time counts from
   * when the request is the oldest one.
   */
  send<T>(
    parts: readonly Uint8Array[],
    timeoutMs: number,
    read: ReplyReader<T>,
    done: (answer: Answer<T>) => void,
  ): void {
    if (this.#failure !== null) {
      done({ error: this.#failure });
      return;
    }
    this.#pending.push({
      timeoutMs,
      answered: (decoder) => {
        const answer = readAnswer(decoder, read);
        return () => done(answer);
      },
      broken: (error) => done({ error }),
    });
    if (this.#pending.length === 1) this.#startDeadline(timeoutMs);
    if (!writeAll(this.#stream, parts)) this.#drained ??= newDeferred();
  }

  /** Sends bytes that belong to the request before. */
  write(bytes: Uint8Array): void {
    if (this.#failure !== null) return;
    if (!this.#stream.write(bytes)) this.#drained ??= newDeferred();
  }

  /**
   * Resolves when more may be written, undefined when that is now; rejects when the connection is
   * gone.
   */
  writable(): Promise<void> | undefined {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    return this.#drained?.promise;
  }

  /** Closes the connection at once; calls under way end with `error`. */
  destroy(error: Error): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    this.#timer?.cancel();
    this.#stream.destroy();
    // Nobody may be waiting; that is not an unhandled rejection.
    this.#drained?.promise.catch(() => {});
    this.#drained?.reject(error);
    for (let p = this.#pending.shift(); p !== undefined; p = this.#pending.shift()) p.broken(error);
    this.#whenBroken(error);
  }

  received(chunk: Uint8Array): void {
    this.#buffer.push(chunk);
    try {
      this.#readReplies();
    } catch (error) {
      this.destroy(asError(error));
    }
  }

  ended(): void {
    this.destroy(new RaftError('ERR_CONNECTION_LOST', `EOF: ${this.target} closed the connection`));
  }

  drained(): void {
    this.#drained?.resolve();
    this.#drained = null;
  }

  failed(error: Error): void {
    this.destroy(error);
  }

  #readReplies(): void {
    while (this.#buffer.length > 0 && this.#failure === null) {
      const oldest = this.#pending.at(0);
      if (oldest === undefined) {
        throw new RaftError('ERR_MALFORMED_MESSAGE', 'expected no reply, got one nobody asked for');
      }
      const decoder = this.#buffer.takeValues(VALUES_PER_REPLY);
      if (decoder === null) return;
      const pass = oldest.answered(decoder);
      this.#pending.shift();
      const next = this.#pending.at(0);
      if (next !== undefined) this.#startDeadline(next.timeoutMs);
      pass();
    }
  }

  /** Only the moment is noted; one timer, set again when it rings early, serves all calls. */
  #startDeadline(timeoutMs: number): void {
    if (timeoutMs === 0) return;
    this.#deadlineMs = this.#clock.monotonicMs() + timeoutMs;
    this.#timer ??= this.#clock.setTimer(timeoutMs, () => this.#rang());
  }

  #rang(): void {
    this.#timer = null;
    // After a stall of this process the reply may lie in the socket, unread.
    this.#clock.afterIO(() => this.#expire());
  }

  #expire(): void {
    if (this.#failure !== null || this.#timer !== null) return;
    const oldest = this.#pending.at(0);
    if (oldest === undefined) return;
    const leftMs = this.#deadlineMs - this.#clock.monotonicMs();
    if (leftMs > 0) {
      this.#timer = this.#clock.setTimer(leftMs, () => this.#rang());
      return;
    }
    this.destroy(
      new RaftError(
        'ERR_TRANSPORT_TIMEOUT',
        `i/o timeout: expected a reply of ${this.target} within ${oldest.timeoutMs} ms`,
      ),
    );
  }
}
