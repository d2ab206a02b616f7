import { hexByte, MsgpackError } from './error.ts';

/**
 * Longest message that is received, in bytes: 1024 entries (the most one AppendEntries may carry)
 * of 512 KiB (the suggested largest command).
 */
export const MAX_MESSAGE_BYTES = 512 * 1024 * 1024;
/** Longest string or byte slice that is received, in bytes. */
export const MAX_RAW_BYTES = 128 * 1024 * 1024;

/** Whole length of the values whose first byte, 0xc0 to 0xdf, says it; 0 for the others. */
const FIXED_BYTES = [
  1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 5, 9, 2, 3, 5, 9, 2, 3, 5, 9, 3, 4, 6, 10, 18, 0, 0, 0, 0, 0, 0, 0,
];
/** Width of the length that follows the first byte, 0xc0 to 0xdf; 0 where none does. */
const LENGTH_BYTES = [
  0, 0, 0, 0, 1, 2, 4, 1, 2, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4,
];

/** The big-endian number of `width` bytes that starts at `at`. */
function lengthAt(bytes: Uint8Array, at: number, width: number): number {
  let length = 0;
  for (let i = at; i < at + width; i += 1) length = length * 256 + (bytes[i] ?? 0);
  return length;
}

/**
 * Finds where values end, however their bytes are cut into chunks, without a look at what they
 * mean.
 *
 * No message has a length prefix, so its receiver must find the end. Two numbers are all that is
 * kept between chunks: how far the scan came and how many values are still owed. An array of n
 * elements pays one debt and makes n new ones; the end is where nothing is owed. Each header is
 * read once (a header that a chunk cuts in two is read again), payload is stepped over, and nothing
 * is recursive.
 */
export class Scanner {
  #position = 0;
  #owed = 0;

  /** Prepares for `values` values, one behind the other. */
  expect(values: number): void {
    this.#position = 0;
    this.#owed = values;
  }

  /** How far the scan came, from the start of the first value; their length once all are there. */
  get position(): number {
    return this.#position;
  }

  /**
   * Goes on with the values that start at `bytes[start]` and of which the bytes before `end` are
   * there. True once all are. Throws {@link MsgpackError} at a byte that starts nothing and at a
   * length beyond the limits, before anybody can allocate for it.
   */
  scan(bytes: Uint8Array, start: number, end: number): boolean {
    let at = start + this.#position;
    let owed = this.#owed;
    while (owed > 0 && at < end) {
      const head = bytes[at] ?? 0;
      if (head < 0x80 || head >= 0xe0) {
        at += 1;
        owed -= 1;
      } else if (head < 0xa0) {
        at += 1;
        owed += (head & 0x0f) * (head < 0x90 ? 2 : 1) - 1;
      } else if (head < 0xc0) {
        at += 1 + (head & 0x1f);
        owed -= 1;
      } else {
        const fixed = FIXED_BYTES[head - 0xc0] ?? 0;
        const width = LENGTH_BYTES[head - 0xc0] ?? 0;
        if (fixed === 0 && at + 1 + width > end) break;
        const length = lengthAt(bytes, at + 1, width);
        owed -= 1;
        if (head >= 0xdc) owed += length * (head >= 0xde ? 2 : 1);
        at += fixed > 0 ? fixed : 1 + width + payloadBytes(head, length);
      }
    }
    this.#position = at - start;
    this.#owed = owed;
    // A value takes a byte at least, so a count that lies is refused as soon as it arrives.
    if (this.#position + owed > MAX_MESSAGE_BYTES) {
      throw new MsgpackError(
        `expected a message of at most ${MAX_MESSAGE_BYTES} bytes, ` +
          `got one of at least ${this.#position + owed}`,
      );
    }
    return owed === 0 && at <= end;
  }
}

/** Bytes behind the header of a string, byte slice or extension; 0 for arrays and maps. */
function payloadBytes(head: number, length: number): number {
  if (head === 0xc1) {
    throw new MsgpackError(`expected the first byte of a value, got ${hexByte(head)}`);
  }
  if (head >= 0xdc) return 0;
  if (length > MAX_RAW_BYTES) {
    throw new MsgpackError(`expected at most ${MAX_RAW_BYTES} bytes in a row, got ${length}`);
  }
  const isExtension = head >= 0xc7 && head <= 0xc9;
  return isExtension ? length + 1 : length;
}
