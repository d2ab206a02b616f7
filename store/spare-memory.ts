/** The sizes of what is worth keeping. */
const LEAST_SPARE_BYTES = 512 << 10;
const MOST_SPARE_BYTES = 16 << 20;

/**
 * Memory of large writes, used again when they are done. What is allocated for bytes sets the
 * collector off, and one that stops for every few large entries costs more than they do.
 */
export class SpareMemory {
  #spare: ArrayBufferLike | null = null;

  /** Memory with anything in it, which nobody else uses. */
  take(bytes: number): Uint8Array {
    const spare = this.#spare;
    const isApt = bytes >= LEAST_SPARE_BYTES && spare !== null && spare.byteLength >= bytes;
    if (!isApt) return new Uint8Array(bytes);
    this.#spare = null;
    return new Uint8Array(spare, 0, bytes);
  }

  /** Takes memory back; nobody may look at it any more. */
  giveBack({ buffer }: Uint8Array): void {
    if (buffer.byteLength < LEAST_SPARE_BYTES || buffer.byteLength > MOST_SPARE_BYTES) return;
    if (this.#spare === null || this.#spare.byteLength < buffer.byteLength) this.#spare = buffer;
  }
}
