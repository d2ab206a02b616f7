import type { Pair } from './entry-codec.ts';
import type { SpareMemory } from './spare-memory.ts';

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

  /** The entry at `position` with its key and its length, as a view. */
  entryAt(position: number): Uint8Array {
    return this.bytes.subarray(this.#startOf(position), this.#endOf(position));
  }

  /** The record of an index, of ascending ones; `undefined` when it is not among them. */
  find(index: number): Uint8Array | undefined {
    const position = this.positionOf(index);
    if (position === this.length || this.indexAt(position) !== index) return undefined;
    return this.pairAt(position).record;
  }

  /** What lies at or above `index`, of ascending ones. */
  from(index: number): Records {
    return this.#part(this.positionOf(index), this.length);
  }

  /** In the same order, cut into parts of at most `mostBytes`, or of a single entry. */
  cut(mostBytes: number): Records[] {
    const parts: Records[] = [];
    let from = 0;
    for (let at = 0; at < this.length; at += 1) {
      if (at === from || this.#endOf(at) - this.#startOf(from) <= mostBytes) continue;
      parts.push(this.#part(from, at));
      from = at;
    }
    if (from < this.length) parts.push(this.#part(from, this.length));
    return parts;
  }

  /** Adds where the entries begin when these bytes lie at `offset` of others. */
  pushStarts(to: number[], offset: number): void {
    for (const start of this.#starts) to.push(start + offset);
  }

  *[Symbol.iterator](): Generator<Pair, void, void> {
    for (let at = 0; at < this.length; at += 1) yield this.pairAt(at);
  }

  #part(from: number, to: number): Records {
    if (from === 0 && to === this.length) return this;
    const start = this.#starts[from] ?? this.bytes.length;
    const end = this.#starts[to] ?? this.bytes.length;
    const starts = this.#starts.slice(from, to).map((at) => at - start);
    return new Records(this.bytes.subarray(start, end), starts);
  }

  #endOf(position: number): number {
    return this.#starts[position + 1] ?? this.bytes.length;
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
  return parts[low - 1]?.find(index);
}

/** All of `parts`, one behind the other. `memory` is where a large buffer comes from. */
export function joinRecords(parts: readonly Records[], memory?: SpareMemory): Records {
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return only;
  let size = 0;
  for (const { bytes } of parts) size += bytes.length;
  const bytes = memory?.take(size) ?? new Uint8Array(size);
  const starts: number[] = [];
  let end = 0;
  for (const part of parts) {
    part.pushStarts(starts, end);
    bytes.set(part.bytes, end);
    end += part.bytes.length;
  }
  return new Records(bytes, starts);
}
