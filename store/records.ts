import type { Pair } from './entry-codec.ts';

/** An index, big-endian: keys in this form sort as the numbers do. */
export const KEY_BYTES = 8;
/** What stands before a record: its key, and its length in four bytes. */
export const RECORD_HEAD_BYTES = KEY_BYTES + 4;

const TWO_TO_32 = 4_294_967_296;

/**
 * Entries as they lie on disk, one behind the other: key, length, record. Thousands of them wait in
 * memory for LMDB, so they are bytes and numbers; what the collector has to follow is made only
 * when somebody asks for it.
 */
export class Records implements Iterable<Pair> {
  /** All of it, as a frame of the journal has it. */
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #starts: readonly number[];

  /** @param starts where in `bytes` each entry begins */
  constructor(bytes: Uint8Array, starts: readonly number[]) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#starts = starts;
  }

  /** How many entries there are. */
  get length(): number {
    return this.#starts.length;
  }

  /** Bytes of the records, without what stands before them. */
  get sizeBytes(): number {
    return this.bytes.length - this.length * RECORD_HEAD_BYTES;
  }

  /** The index of the entry at `position`. */
  indexAt(position: number): number {
    const start = this.#startOf(position);
    return this.#view.getUint32(start) * TWO_TO_32 + this.#view.getUint32(start + 4);
  }

  /** Bytes of the record at `position`. */
  sizeAt(position: number): number {
    return this.#view.getUint32(this.#startOf(position) + KEY_BYTES);
  }

  /** The key and the record at `position`, as views. */
  pairAt(position: number): Pair {
    const start = this.#startOf(position);
    const record = start + RECORD_HEAD_BYTES;
    return {
      key: this.bytes.subarray(start, start + KEY_BYTES),
      record: this.bytes.subarray(record, record + this.#view.getUint32(start + KEY_BYTES)),
    };
  }

  /** The position of the first entry at or above `index`, of ascending ones. */
  positionOf(index: number): number {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.indexAt(middle) < index) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** What lies at or above `index`, of ascending ones. */
  from(index: number): Records {
    const position = this.positionOf(index);
    const start = this.#starts[position] ?? this.bytes.length;
    const starts = this.#starts.slice(position).map((at) => at - start);
    return new Records(this.bytes.subarray(start), starts);
  }

  *[Symbol.iterator](): Generator<Pair, void, void> {
    for (let at = 0; at < this.length; at += 1) yield this.pairAt(at);
  }

  #startOf(position: number): number {
    const start = this.#starts[position];
    if (start === undefined)
      throw new RangeError(`expected one of ${this.length}, got ${position}`);
    return start;
  }
}

/** How many entries there are in all of `parts`. */
export function countOf(parts: readonly Records[]): number {
  let count = 0;
  for (const { length } of parts) count += length;
  return count;
}

/** Bytes of all their records. */
export function sizeOf(parts: readonly Records[]): number {
  let bytes = 0;
  for (const { sizeBytes } of parts) bytes += sizeBytes;
  return bytes;
}

/** The record of an index in `parts`, each of which is ascending and lies above the one before. */
export function findRecord(parts: readonly Records[], index: number): Uint8Array | undefined {
  let low = 0;
  let high = parts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((parts[middle]?.indexAt(0) ?? 0) <= index) low = middle + 1;
    else high = middle;
  }
  const part = parts[low - 1];
  const position = part?.positionOf(index) ?? 0;
  if (part === undefined || position === part.length) return undefined;
  return part.indexAt(position) === index ? part.pairAt(position).record : undefined;
}
