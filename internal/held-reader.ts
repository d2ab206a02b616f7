/**
 * A stream of bytes that somebody else may read, or read in part, or not at all: whoever holds it
 * can let go of what is behind it afterwards, exactly once.
 */
export class HeldReader implements AsyncIterable<Uint8Array> {
  readonly #source: AsyncIterable<Uint8Array>;
  #iterator: AsyncIterator<Uint8Array> | null = null;
  #released = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source;
  }

  /** The one iterator of the stream. */
  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    this.#iterator ??= this.#source[Symbol.asyncIterator]();
    return this.#iterator;
  }

  /** Lets go, whether it was read or not. Never rejects: what is thrown away has nothing to say. */
  async release(): Promise<void> {
    if (this.#released) return;
    this.#released = true;
    try {
      await this[Symbol.asyncIterator]().return?.();
    } catch {
      // See above.
    }
  }
}
