import { sliceOf } from '../slab.ts';
import { type Timestamp, ZERO_TIME } from '../timestamp.ts';
import { hexByte, MsgpackError } from './error.ts';
import { Scanner } from './scan.ts';
import { decodeTime } from './timestamp.ts';

const NIL = 0xc0;
// A BOM is part of a name like any other character.
const lenient = new TextDecoder('utf-8', { ignoreBOM: true });
const strict = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });

/** The extension type of msgpack timestamps. */
const TIMESTAMP_EXTENSION = -1;

/**
 * Reads values out of bytes that a {@link Scanner} found complete, as liberally as Go's decoder:
 * any width of number, any form of string. What it gives out never shares memory with its input.
 */
export class Decoder {
  readonly #bytes: Uint8Array;
  #at: number;
  readonly #end: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    // A Node Buffer's slice() shares memory; a plain array's copies.
    this.#bytes =
      bytes.constructor === Uint8Array
        ? bytes
        : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = start;
    this.#end = end;
  }

  /** A decoder of `values` values at the start of `bytes`; throws when they are not complete. */
  static ofWhole(bytes: Uint8Array, values = 1): Decoder {
    const scanner = new Scanner();
    scanner.expect(values);
    if (!scanner.scan(bytes, 0, bytes.length)) {
      throw new MsgpackError(`expected a whole value, got its first ${bytes.length} bytes`);
    }
    return new Decoder(bytes, 0, scanner.position);
  }

  /** The first byte of the next value. */
  peek(): number {
    return this.#byteAt(this.#at);
  }

  /** Steps over `bytes` when they come next; what the encoder of a peer like us always writes. */
  takeIfNext(bytes: Uint8Array): boolean {
    const at = this.#at;
    if (at + bytes.length > this.#end) return false;
    for (let i = 0; i < bytes.length; i += 1) if (this.#bytes[at + i] !== bytes[i]) return false;
    this.#at = at + bytes.length;
    return true;
  }

  /** Consumes a nil; false when something else comes. */
  takeNil(): boolean {
    if (this.peek() !== NIL) return false;
    this.#at += 1;
    return true;
  }

  bool(): boolean {
    const head = this.#take();
    if (head === 0xc3 || head === 1) return true;
    if (head === 0xc2 || head === 0 || head === NIL) return false;
    throw new MsgpackError(`expected a bool, got ${hexByte(head)}`);
  }

  /** A whole number of 0 or more. */
  uint(): number {
    const value = this.int();
    if (value < 0) throw new MsgpackError(`expected an unsigned number, got ${value}`);
    return value;
  }

  /** A whole number; nil is 0. Throws when a double could not hold it exactly. */
  int(): number {
    const head = this.#take();
    if (head <= 0x7f) return head;
    if (head >= 0xe0) return head - 0x100;
    if (head >= 0xcc && head <= 0xcf) return this.#number(1 << (head - 0xcc));
    if (head >= 0xd0 && head <= 0xd3) return this.#signed(1 << (head - 0xd0));
    if (head === NIL) return 0;
    throw new MsgpackError(`expected a whole number, got ${hexByte(head)}`);
  }

  /** A byte slice that shares no memory with the input; nil is `null`. */
  bytes(): Uint8Array | null {
    if (this.#isArrayNext()) return this.#bytesFromArray();
    const size = this.#rawHeader();
    return size < 0 ? null : sliceOf(this.#bytes, this.#at, this.#step(size));
  }

  /** A string; ill-formed UTF-8 is replaced. nil is "". */
  text(): string {
    return lenient.decode(this.#raw());
  }

  /** A string that names something: replacing ill-formed UTF-8 could make two names one. */
  name(): string {
    const raw = this.#raw();
    try {
      return strict.decode(raw);
    } catch {
      throw new MsgpackError(`expected a name in UTF-8, got ${raw.length} bytes that are not`);
    }
  }

  /** A moment in any of its forms; nil is Go's zero time. */
  time(): Timestamp {
    const head = this.peek();
    const isExtension = head === 0xd6 || head === 0xd7 || head === 0xc7;
    const size = isExtension ? this.#timeExtensionHeader() : this.#rawHeader();
    if (size < 0) return ZERO_TIME;
    const at = this.#at;
    this.#step(size);
    return decodeTime(this.#bytes, at, size);
  }

  /** The number of elements that follow, -1 for nil. */
  arrayHeader(limit: number): number {
    const head = this.#take();
    if (head === NIL) return -1;
    let count = head & 0x0f;
    if (head === 0xdc) count = this.#number(2);
    else if (head === 0xdd) count = this.#number(4);
    else if (head < 0x90 || head > 0x9f) {
      throw new MsgpackError(`expected an array, got ${hexByte(head)}`);
    }
    if (count > limit) {
      throw new MsgpackError(`expected at most ${limit} elements, got ${count}`);
    }
    return count;
  }

  /** The number of pairs that follow. */
  mapHeader(): number {
    const head = this.#take();
    if (head >= 0x80 && head <= 0x8f) return head & 0x0f;
    if (head === 0xde) return this.#number(2);
    if (head === 0xdf) return this.#number(4);
    throw new MsgpackError(`expected a map, got ${hexByte(head)}`);
  }

  /** Steps over whatever comes. */
  skip(): void {
    const scanner = new Scanner();
    scanner.expect(1);
    if (!scanner.scan(this.#bytes, this.#at, this.#end)) {
      throw new MsgpackError('expected a whole value, got the end of the message');
    }
    this.#at += scanner.position;
  }

  /** Bytes of the string or byte slice that starts here; -1 for nil. */
  #rawHeader(): number {
    const head = this.#take();
    if (head >= 0xa0 && head <= 0xbf) return head & 0x1f;
    if (head >= 0xd9 && head <= 0xdb) return this.#number(1 << (head - 0xd9));
    if (head >= 0xc4 && head <= 0xc6) return this.#number(1 << (head - 0xc4));
    if (head === NIL) return -1;
    throw new MsgpackError(`expected bytes or a string, got ${hexByte(head)}`);
  }

  /** A string or byte slice in any of its forms; it may share memory with the input. */
  #raw(): Uint8Array {
    if (this.#isArrayNext()) return this.#bytesFromArray();
    const size = Math.max(this.#rawHeader(), 0);
    const start = this.#at;
    return this.#bytes.subarray(start, this.#step(size));
  }

  /** Bytes of the time in the extension that starts here. */
  #timeExtensionHeader(): number {
    const head = this.#take();
    const size = head === 0xc7 ? this.#take() : head === 0xd6 ? 4 : 8;
    const type = this.#signed(1);
    if (type === TIMESTAMP_EXTENSION) return size;
    throw new MsgpackError(`expected a time, got an extension of type ${type}`);
  }

  #isArrayNext(): boolean {
    const head = this.peek();
    return (head >= 0x90 && head <= 0x9f) || head === 0xdc || head === 0xdd;
  }

  #bytesFromArray(): Uint8Array {
    const bytes = new Uint8Array(this.arrayHeader(this.#end - this.#at));
    for (let i = 0; i < bytes.length; i += 1) {
      const value = this.uint();
      if (value > 0xff) throw new MsgpackError(`expected a byte, got ${value}`);
      bytes[i] = value;
    }
    return bytes;
  }

  /** Goes `size` bytes on; returns where that is. */
  #step(size: number): number {
    if (this.#at + size > this.#end) {
      throw new MsgpackError(`expected ${size} bytes, got ${this.#end - this.#at}`);
    }
    this.#at += size;
    return this.#at;
  }

  #take(): number {
    const byte = this.#byteAt(this.#at);
    this.#at += 1;
    return byte;
  }

  #byteAt(at: number): number {
    const byte = at < this.#end ? this.#bytes[at] : undefined;
    if (byte === undefined) throw new MsgpackError('expected a value, got the end of the message');
    return byte;
  }

  #number(width: number): number {
    let value = 0;
    for (let i = 0; i < width; i += 1) value = value * 256 + this.#take();
    if (value > Number.MAX_SAFE_INTEGER) {
      throw new MsgpackError(`expected a number of at most 2^53-1, got about ${value}`);
    }
    return value;
  }

  #signed(width: number): number {
    let value = this.peek() >= 0x80 ? -1 : 0;
    for (let i = 0; i < width; i += 1) value = value * 256 + this.#take();
    if (!Number.isSafeInteger(value)) {
      throw new MsgpackError(`expected a number within 2^53-1 of 0, got about ${value}`);
    }
    return value;
  }
}
