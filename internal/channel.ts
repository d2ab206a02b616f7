import { RingBuffer } from './ring-buffer.ts';

/** Sending on a closed channel. Go panics here. */
export class ChannelClosedError extends Error {
  /** Always "ChannelClosedError". */
  override readonly name = 'ChannelClosedError';
  /** Stable, like the code of a `RaftError`. */
  readonly code = 'ERR_CHANNEL_CLOSED';
  constructor() {
    super('send on closed channel');
  }
}

interface BlockedSender<T> {
  readonly value: T;
  readonly accepted: () => void;
  readonly refused: (error: Error) => void;
}

/**
 * Go's channel: a bounded queue between a sender and a receiver that wait for each other.
 *
 * `capacity` 0 means that a value passes only when a receiver takes it. A channel is
 * async-iterable; the loop ends when the channel is closed and empty.
 */
export class Channel<T> implements AsyncIterable<T> {
  /** How many values may wait in the buffer. */
  readonly capacity: number;
  readonly #items = new RingBuffer<T>();
  readonly #senders = new RingBuffer<BlockedSender<T>>();
  readonly #receivers = new RingBuffer<(result: IteratorResult<T, undefined>) => void>();
  #closed = false;

  /**
   * @param capacity how many values may wait, 0 or more; throws a `RangeError` for anything else
   */
  constructor(capacity = 0) {
    if (!Number.isSafeInteger(capacity) || capacity < 0) {
      throw new RangeError(`channel capacity must be an integer of 0 or more, got ${capacity}`);
    }
    this.capacity = capacity;
  }

  /** Values that wait in the buffer (Go's `len`). */
  get length(): number {
    return this.#items.length;
  }

  /** True once it was closed; buffered values may still be there. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Resolves when the value is in the buffer or with a receiver; rejects with `ERR_CHANNEL_CLOSED`
   * when the channel is closed or closes.
   */
  send(value: T): Promise<void> {
    if (this.#closed) return Promise.reject(new ChannelClosedError());
    if (this.trySend(value)) return Promise.resolve();
    return new Promise((accepted, refused) => {
      this.#senders.push({ value, accepted, refused });
    });
  }

  /**
   * Sends without waiting; false when nobody could take the value now (Go's `select` with default).
   */
  trySend(value: T): boolean {
    if (this.#closed) return false;
    const receiver = this.#receivers.shift();
    if (receiver !== undefined) {
      receiver({ done: false, value });
      return true;
    }
    if (this.#items.length >= this.capacity) return false;
    this.#items.push(value);
    return true;
  }

  /** The next value, or `{ done: true }` once the channel is closed and empty. */
  receive(): Promise<IteratorResult<T, undefined>> {
    const ready = this.tryReceive();
    if (ready !== undefined) return Promise.resolve({ done: false, value: ready.value });
    if (this.#closed) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#receivers.push(resolve));
  }

  /**
   * Takes a value that is ready, boxed so that a sent `undefined` can be told from "nothing ready".
   */
  tryReceive(): IteratorYieldResult<T> | undefined {
    if (this.#items.length > 0) {
      const value = this.#items.shift() as T;
      this.#admitSender();
      return { value };
    }
    const sender = this.#senders.shift();
    if (sender === undefined) return undefined;
    sender.accepted();
    return { value: sender.value };
  }

  /**
   * No more values will come: receivers end after what is buffered, waiting senders are refused.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (let r = this.#receivers.shift(); r !== undefined; r = this.#receivers.shift()) {
      r({ done: true, value: undefined });
    }
    for (let s = this.#senders.shift(); s !== undefined; s = this.#senders.shift()) {
      s.refused(new ChannelClosedError());
    }
  }

  /** Receives until the channel is closed and empty; leaving the loop leaves it open. */
  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return { next: () => this.receive() };
  }

  #admitSender(): void {
    const sender = this.#senders.shift();
    if (sender === undefined) return;
    this.#items.push(sender.value);
    sender.accepted();
  }
}

/** Puts a value into a one-slot channel unless one waits already: many signals become one. */
export function asyncNotify<T>(channel: Channel<T>, value: T): void {
  channel.trySend(value);
}

/** Puts a value into a one-slot channel, throwing away one that nobody has read (Go's LeaderCh). */
export function overrideNotify<T>(channel: Channel<T>, value: T): void {
  if (channel.trySend(value)) return;
  channel.tryReceive();
  channel.trySend(value);
}
