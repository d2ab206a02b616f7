import { Channel } from '../internal/channel.ts';
import { type Clock, systemClock, type TimerHandle } from '../internal/clock.ts';
import { type Deferred, newDeferred } from '../internal/deferred.ts';
import { RingBuffer } from '../internal/ring-buffer.ts';
import { asError, ErrPipelineShutdown, RaftError } from '../raft/errors.ts';
import type { AppendEntriesRequest, AppendEntriesResponse } from '../raft/messages.ts';
import type { AppendFuture, AppendPipeline } from '../raft/transport.ts';

/** What becomes of one request: its response or an error. The first call counts. */
export type AppendDone = (error: Error | null, response: AppendEntriesResponse | null) => void;

/** What a pipeline sends through. */
export interface PipelineLink {
  /**
   * Sends at once; resolves when a further request may be sent, undefined when that is now. `done`
   * may be called at any time.
   */
  send(args: AppendEntriesRequest, done: AppendDone): Promise<void> | undefined;
  /** Lets go of the connection. */
  close(): void;
}

class PendingAppend implements AppendFuture {
  readonly #args: AppendEntriesRequest;
  readonly #start: Date;
  readonly #outcome = newDeferred<Error | null>();
  #settled = false;
  #response: AppendEntriesResponse | null = null;

  constructor(args: AppendEntriesRequest, start: Date) {
    this.#args = args;
    this.#start = start;
  }

  get isSettled(): boolean {
    return this.#settled;
  }

  settle(error: Error | null, response: AppendEntriesResponse | null): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#response = response;
    this.#outcome.resolve(error);
  }

  error(): Promise<Error | null> {
    return this.#outcome.promise;
  }

  start(): Date {
    return this.#start;
  }

  request(): AppendEntriesRequest {
    return this.#args;
  }

  response(): AppendEntriesResponse {
    if (this.#response === null) {
      throw new Error('there is no response; await error() first, and see that it gives null');
    }
    return this.#response;
  }
}

/** How a {@link BoundedPipeline} behaves. */
export interface PipelineOptions {
  /** Requests sent and not yet handed to the consumer, 2 or more. */
  readonly maxInFlight: number;
  /** Longest time a send waits for a slot, in milliseconds; 0 waits for ever. */
  readonly timeoutMs: number;
  readonly clock?: Clock | undefined;
}

/**
 * A pipeline over any link. Answers may come in any order; futures reach the consumer in the order
 * of the requests. With `maxInFlight` of n the n-th request still leaves at once, but its call
 * returns only when the first one has been consumed, as in Go. A call that waits ends with an error
 * when the pipeline is closed, when its link broke and when the time is up: it never waits for a
 * reader that went away (hashicorp/raft#612).
 */
export class BoundedPipeline implements AppendPipeline {
  readonly #link: PipelineLink;
  readonly #options: PipelineOptions;
  readonly #clock: Clock;
  readonly #consumer: Channel<AppendFuture>;
  /** Sent and not yet with the consumer, oldest first. */
  readonly #inFlight = new RingBuffer<PendingAppend>();
  /** Calls that wait for a slot. */
  readonly #blocked = new Set<Deferred<void>>();
  #isDelivering = false;
  #failure: Error | null = null;

  constructor(link: PipelineLink, options: PipelineOptions) {
    this.#link = link;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#consumer = new Channel(Math.max(options.maxInFlight - 2, 0));
  }

  async appendEntries(args: AppendEntriesRequest): Promise<AppendFuture> {
    if (this.#failure !== null) throw this.#failure;
    const future = new PendingAppend(args, this.#clock.wallTime());
    this.#inFlight.push(future);
    try {
      const sent = this.#link.send(args, (error, response) => {
        future.settle(error, response);
        this.#deliver();
      });
      if (sent !== undefined) await sent;
    } catch (error) {
      // The future stays in its place, so that the consumer learns of the gap as well.
      future.settle(asError(error), null);
      this.#deliver();
      throw error;
    }
    const slot = this.#slot();
    if (slot !== undefined) await slot;
    return future;
  }

  consumer(): Channel<AppendFuture> {
    return this.#consumer;
  }

  async close(): Promise<void> {
    if (this.#failure === ErrPipelineShutdown) return;
    this.fail(ErrPipelineShutdown);
    this.#failure = ErrPipelineShutdown;
    for (let f = this.#inFlight.shift(); f !== undefined; f = this.#inFlight.shift()) {
      f.settle(ErrPipelineShutdown, null);
    }
    this.#consumer.close();
    this.#link.close();
  }

  /** The link broke: nothing more can be sent. Requests in flight are failed by their link. */
  fail(error: Error): void {
    this.#failure ??= error;
    for (const blocked of this.#blocked) blocked.reject(error);
    this.#blocked.clear();
  }

  /** Resolves when fewer than `maxInFlight` requests are in flight; undefined when they are now. */
  #slot(): Promise<void> | undefined {
    const { maxInFlight, timeoutMs } = this.#options;
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#inFlight.length < maxInFlight) return undefined;
    const blocked = newDeferred<void>();
    this.#blocked.add(blocked);
    if (timeoutMs === 0) return blocked.promise;
    const timer: TimerHandle = this.#clock.setTimer(timeoutMs, () => {
      this.#blocked.delete(blocked);
      blocked.reject(
        new RaftError(
          'ERR_TRANSPORT_TIMEOUT',
          `i/o timeout: expected one of ${maxInFlight} requests in flight to be answered and ` +
            `consumed within ${timeoutMs} ms`,
        ),
      );
    });
    return blocked.promise.finally(() => timer.cancel());
  }

  /** Hands the oldest futures to the consumer, as far as they are settled and it has room. */
  #deliver(): void {
    for (;;) {
      const head = this.#inFlight.at(0);
      if (head === undefined || !head.isSettled || this.#isDelivering) return;
      if (!this.#consumer.trySend(head)) {
        this.#isDelivering = true;
        this.#consumer.send(head).then(
          () => {
            this.#isDelivering = false;
            this.#delivered();
            this.#deliver();
          },
          () => {}, // closed: nobody wants it any more
        );
        return;
      }
      this.#delivered();
    }
  }

  #delivered(): void {
    this.#inFlight.shift();
    if (this.#inFlight.length >= this.#options.maxInFlight) return;
    for (const blocked of this.#blocked) blocked.resolve();
    this.#blocked.clear();
  }
}
