/** Small values share a buffer: who keeps one of them keeps at most this much alive. */
const ARENA_BYTES = 64 * 1024;

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/**
 * Copies the bytes inside of values into buffers that can be moved to another thread. Cloned as
 * they are, views would take along all of the buffer behind them.
 */
export class Gatherer {
  /** The buffers that move. */
  readonly transfer: ArrayBuffer[] = [];
  /** How many bytes were copied. */
  sizeBytes = 0;
  readonly #moved = new Set<ArrayBufferLike>();
  #arena = new Uint8Array(0);

  /** Takes a buffer away from its owner when the rest moves; bytes in it are not copied. */
  move(buffer: ArrayBuffer): void {
    if (this.#moved.has(buffer)) return;
    this.#moved.add(buffer);
    this.transfer.push(buffer);
  }

  /** The value with its bytes in buffers of ours; bytes are looked for in arrays and objects. */
  gather(value: unknown): unknown {
    if (value instanceof Uint8Array)
      return this.#moved.has(value.buffer) ? value : this.#copy(value);
    if (Array.isArray(value)) return value.map((element) => this.gather(element));
    if (!isPlainObject(value)) return value;
    const fields = Object.entries(value).map(([name, field]) => [name, this.gather(field)]);
    return Object.fromEntries(fields);
  }

  #copy(bytes: Uint8Array): Uint8Array {
    const { length } = bytes;
    this.sizeBytes += length;
    if (length > this.#arena.length) {
      this.#arena = new Uint8Array(Math.max(ARENA_BYTES, length));
      this.transfer.push(this.#arena.buffer);
    }
    const copy = this.#arena.subarray(0, length);
    copy.set(bytes);
    this.#arena = this.#arena.subarray(length);
    return copy;
  }
}
