/** A line grew beyond what the reader takes. */
export class LineTooLong extends Error {
  override readonly name = 'LineTooLong';
  constructor(limitBytes: number) {
    super(`expected lines of at most ${limitBytes} bytes, got a longer one`);
  }
}

const NEWLINE = 0x0a;

/**
 * Cuts bytes that arrive in pieces into lines. Strict: bytes that are not UTF-8 are refused, and
 * nothing longer than the limit is kept.
 */
export class LineSplitter {
  readonly #limitBytes: number;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true });
  #rest: Uint8Array[] = [];
  #restBytes = 0;

  /** @param limitBytes the longest line, without its newline */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /**
   * The lines that `chunk` completes, empty ones left out.
   *
   * @throws LineTooLong, or TypeError for bytes that are not UTF-8
   */
  push(chunk: Uint8Array): string[] {
    const last = chunk.lastIndexOf(NEWLINE);
    if (last === -1) {
      this.#keep(chunk);
      return [];
    }
    this.#keep(chunk.subarray(0, last));
    const lines = this.#take();
    this.#keep(chunk.subarray(last + 1));
    return lines;
  }

  /** What is left when no more bytes come. @throws as {@link LineSplitter.push} */
  end(): string[] {
    return this.#take();
  }

  #keep(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#rest.push(bytes);
    this.#restBytes += bytes.length;
    // One chunk may hold many lines, and is small; only what is carried over can grow.
    if (this.#restBytes - bytes.length > this.#limitBytes) throw new LineTooLong(this.#limitBytes);
  }

  #take(): string[] {
    const [first] = this.#rest;
    const whole = this.#rest.length === 1 && first ? first : Buffer.concat(this.#rest);
    this.#rest = [];
    this.#restBytes = 0;
    const lines = this.#decoder.decode(whole).split('\n');
    const filled = lines.filter((line) => line.trim() !== '');
    for (const line of filled) {
      if (line.length > this.#limitBytes) throw new LineTooLong(this.#limitBytes);
    }
    return filled;
  }
}
