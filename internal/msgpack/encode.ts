import { concatBytes } from '../bytes.ts';
import type { Timestamp } from '../timestamp.ts';
import { MsgpackError } from './error.ts';
import { encodeBinaryTime, encodeCompactTime } from './timestamp.ts';

const textEncoder = new TextEncoder();

/** Memory that small results are cut from, in bytes: the most that one of them can keep alive. */
const SLAB_BYTES = 8192;
/** Results that are likely larger get memory of their own. */
const LARGEST_CUT_BYTES = 1024;

let slab = new Uint8Array(SLAB_BYTES);
let cutBytes = 0;

/**
 * Room for `bytes`, which nobody else is given: for messages of a few hundred bytes a buffer of
 * their own costs more than what is written into it.
 */
function newRoom(bytes: number): Uint8Array {
  if (bytes > LARGEST_CUT_BYTES) return new Uint8Array(bytes);
  if (cutBytes + bytes > SLAB_BYTES) {
    slab = new Uint8Array(SLAB_BYTES);
    cutBytes = 0;
  }
  cutBytes += bytes;
  return slab.subarray(cutBytes - bytes, cutBytes);
}

/** How times are written; both are understood. */
export type TimeFormat = 'binary' | 'compact';

/**
 * Writes the msgpack dialect of hashicorp/go-msgpack v2 with its old-spec settings: strings and
 * byte slices alike in the "raw" family (never str8, never bin), numbers in the fewest bytes that
 * their Go type, signed or unsigned, takes.
 */
export class Encoder {
  #bytes: Uint8Array;
  #length = 0;
  /** What comes before the bytes from `#partStart` on. */
  readonly #parts: Uint8Array[] = [];
  #partStart = 0;
  readonly #largestCopied: number;
  readonly timeFormat: TimeFormat;

  /**
   * @param sizeHint bytes the result will likely take, without those that are not copied; a good
   *   guess saves copying
   * @param largestCopied byte slices above this size become parts of their own, see `parts`
   */
  constructor(sizeHint = 256, timeFormat: TimeFormat = 'binary', largestCopied = Infinity) {
    this.#bytes = newRoom(sizeHint);
    this.timeFormat = timeFormat;
    this.#largestCopied = largestCopied;
  }

  /** What was written; the encoder must not be used any more. */
  finish(): Uint8Array {
    return this.#parts.length === 0 ? this.#rest() : concatBytes(this.parts());
  }

  /** What was written, in parts; large ones are what was given, which must not change. */
  parts(): readonly Uint8Array[] {
    return [...this.#parts, this.#rest()];
  }

  /** True when all that was written was copied. */
  get hasCopiedAll(): boolean {
    return this.#parts.length === 0;
  }

  #rest(): Uint8Array {
    return this.#bytes.subarray(this.#partStart, this.#length);
  }

  /** How many bytes were written. */
  get length(): number {
    return this.#length;
  }

  /** What was written from position `start` on; nothing that is written later changes it. */
  since(start: number): Uint8Array {
    return this.#bytes.subarray(start, this.#length);
  }

  /**
   * Bytes that are encoded already and will not change: a part of their own when they are large.
   */
  encoded(bytes: Uint8Array): void {
    if (bytes.length <= this.#largestCopied) this.verbatim(bytes);
    else {
      this.#parts.push(this.#rest(), bytes);
      this.#partStart = this.#length;
    }
  }

  /** Copies bytes that are encoded already. */
  verbatim(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#put(bytes);
  }

  nil(): void {
    this.byte(0xc0);
  }

  bool(value: boolean): void {
    this.byte(value ? 0xc3 : 0xc2);
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length] = value;
    this.#length += 1;
  }

  /** A number of one of Go's unsigned types. */
  uint(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new MsgpackError(`expected a whole number from 0 to 2^53-1, got ${value}`);
    }
    if (value <= 0x7f) this.byte(value);
    else if (value <= 0xff) this.#number(0xcc, value, 1);
    else if (value <= 0xffff) this.#number(0xcd, value, 2);
    else if (value <= 0xffff_ffff) this.#number(0xce, value, 4);
    else this.#number(0xcf, value, 8);
  }

  /**
   * A number of one of Go's signed types: 200 takes two bytes more here, as its sign bit counts.
   */
  int(value: number): void {
    if (!Number.isSafeInteger(value)) {
      throw new MsgpackError(`expected a whole number within 2^53-1 of 0, got ${value}`);
    }
    if (value >= -32 && value <= 0x7f) this.byte(value & 0xff);
    else if (value >= -0x80 && value < 0x80) this.#number(0xd0, value, 1);
    else if (value >= -0x8000 && value < 0x8000) this.#number(0xd1, value, 2);
    else if (value >= -0x8000_0000 && value < 0x8000_0000) this.#number(0xd2, value, 4);
    else this.#number(0xd3, value, 8);
  }

  /** A byte slice; `null` is Go's nil. */
  bytes(value: Uint8Array | null): void {
    if (value === null) {
      this.nil();
      return;
    }
    const length = value.length;
    const isCopied = length <= this.#largestCopied;
    this.#reserve(isCopied ? length + 5 : 5);
    if (length < 32) this.byte(0xa0 | length);
    else if (length <= 0xffff) this.#number(0xda, length, 2);
    else this.#number(0xdb, length, 4);
    if (isCopied) this.#put(value);
    else {
      this.#parts.push(this.#rest(), value);
      this.#partStart = this.#length;
    }
  }

  /** A string, as UTF-8. */
  string(value: string): void {
    // The error of a reply that has none: the platform's encoder costs more than all the rest.
    if (value === '') this.byte(0xa0);
    else this.bytes(textEncoder.encode(value));
  }

  arrayHeader(count: number): void {
    if (count < 16) this.byte(0x90 | count);
    else if (count <= 0xffff) this.#number(0xdc, count, 2);
    else this.#number(0xdd, count, 4);
  }

  mapHeader(count: number): void {
    if (count < 16) this.byte(0x80 | count);
    else if (count <= 0xffff) this.#number(0xde, count, 2);
    else this.#number(0xdf, count, 4);
  }

  time(value: Timestamp): void {
    this.bytes(this.timeFormat === 'binary' ? encodeBinaryTime(value) : encodeCompactTime(value));
  }

  #number(head: number, value: number, width: 1 | 2 | 4 | 8): void {
    this.#reserve(9);
    this.#bytes[this.#length] = head;
    const end = this.#length + 1 + width;
    // Bitwise operators see 32 bits only, so the upper half goes by division.
    let low = value;
    let at = end - 1;
    if (width === 8) {
      for (; at >= end - 4; at -= 1, low >>>= 8) this.#bytes[at] = low & 0xff;
      low = Math.floor(value / 4_294_967_296);
    }
    for (; at > this.#length; at -= 1, low >>= 8) this.#bytes[at] = low & 0xff;
    this.#length = end;
  }

  #put(bytes: Uint8Array): void {
    const at = this.#length;
    // For a key, the call of set() costs more than the copying.
    if (bytes.length > 32) this.#bytes.set(bytes, at);
    else for (let i = 0; i < bytes.length; i += 1) this.#bytes[at + i] = bytes[i] ?? 0;
    this.#length = at + bytes.length;
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
