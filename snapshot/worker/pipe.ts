import type { MessagePort, Transferable } from 'node:worker_threads';

/** Values on their way: while one is handled, the next ones are carried over. */
const WINDOW = 4;

/** The other end of a pipe has gone before its time. Whoever ended it knows why. */
export class PipeClosedError extends Error {}

interface Message<T> {
  /** Absent at the end. */
  readonly value?: T;
}

/** Somebody who waits until something has changed. */
class Waiting {
  #wake: (() => void) | null = null;

  wake(): void {
    this.#wake?.();
  }

  async changed(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = null;
  }
}

/** The end of a message port that values go into, no more of them than the reader can take. */
export class PipeWriter<T> {
  readonly #port: MessagePort;
  readonly #waiting = new Waiting();
  #unanswered = 0;
  #closed = false;

  constructor(port: MessagePort) {
    this.#port = port;
    port.on('message', () => {
      this.#unanswered -= 1;
      this.#waiting.wake();
    });
    port.on('close', () => {
      this.#closed = true;
      this.#waiting.wake();
    });
  }

  /** Resolves when a value may be posted; rejects with a {@link PipeClosedError}. One at a time. */
  async room(): Promise<void> {
    while (this.#unanswered >= WINDOW && !this.#closed) await this.#waiting.changed();
    if (this.#closed) throw new PipeClosedError('the reader has gone');
  }

  /** Sends a value; what is in `transfer` is moved. Throws for what cannot be cloned. */
  post(value: T, transfer: readonly Transferable[] = []): void {
    this.#port.postMessage({ value } satisfies Message<T>, transfer);
    this.#unanswered += 1;
  }

  /** Says that nothing follows. */
  end(): void {
    this.#port.postMessage({} satisfies Message<T>);
  }

  /** Takes the port down. */
  close(): void {
    this.#port.close();
  }
}

/** The other end. Iterated once; it throws a {@link PipeClosedError} when the writer vanishes. */
export class PipeReader<T> implements AsyncIterable<T> {
  readonly #port: MessagePort;
  readonly #waiting = new Waiting();
  readonly #messages: Message<T>[] = [];
  #closed = false;

  constructor(port: MessagePort) {
    this.#port = port;
    port.on('message', (message: Message<T>) => {
      this.#messages.push(message);
      this.#waiting.wake();
    });
    port.on('close', () => {
      this.#closed = true;
      this.#waiting.wake();
    });
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, undefined> {
    try {
      for (;;) {
        const message = this.#messages.shift();
        if (message === undefined) {
          if (this.#closed) throw new PipeClosedError('the writer has gone');
          await this.#waiting.changed();
          continue;
        }
        if (message.value === undefined) return;
        yield message.value;
        this.#port.postMessage(null);
      }
    } finally {
      this.#port.close();
    }
  }

  /** Takes the port down, read or not. */
  close(): void {
    this.#port.close();
  }
}
