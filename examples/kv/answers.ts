import { PassThrough } from 'node:stream';
import { newDeferred } from '../../internal/deferred.ts';

/** Answers of one moment leave in one write: a write each would cost more than the proposal. */
export class Answers {
  readonly stream = new PassThrough();
  #text = '';
  #closed = false;
  #room = newDeferred<void>();

  constructor() {
    this.stream.on('drain', () => this.#tellRoom());
    this.stream.once('close', () => {
      this.#closed = true;
      this.#tellRoom();
    });
  }

  get closed(): boolean {
    return this.#closed;
  }

  add(line: string): void {
    if (this.#text === '') setImmediate(() => this.#flush());
    this.#text += line;
  }

  /** Resolves when the caller has read enough to be sent more, or is gone. */
  async untilRoom(): Promise<void> {
    if (this.#closed || !this.stream.writableNeedDrain) return;
    await this.#room.promise;
  }

  end(): void {
    this.#flush();
    this.stream.end();
  }

  #tellRoom(): void {
    this.#room.resolve();
    this.#room = newDeferred();
  }

  #flush(): void {
    const text = this.#text;
    this.#text = '';
    if (text !== '' && !this.#closed) this.stream.write(text);
  }
}
