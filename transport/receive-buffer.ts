import { Decoder } from '../internal/msgpack/decode.ts';
import { Scanner } from '../internal/msgpack/scan.ts';

const nothing = new Uint8Array(0);

/** The largest room that is kept for the next message that spans chunks. */
const MOST_SPARE_BYTES = 16 << 20;
/**
 * Room that no buffer uses now. Large messages would otherwise be the collector's main work: it is
 * set off by the bytes that are allocated, and a message takes four times its size on its way in.
 */
let spare: Uint8Array = nothing;

function roomFor(bytes: number): Uint8Array {
  if (spare.length < bytes) return new Uint8Array(2 * bytes);
  const room = spare;
  spare = nothing;
  return room;
}

function keepSpare(room: Uint8Array): void {
  if (room.length > spare.length && room.length <= MOST_SPARE_BYTES) spare = room;
}

/**
 * What came in on a connection and was not used yet. A chunk is adopted as it is while nothing else
 * waits; bytes are copied only when a message spans chunks, into room for twice as many, so that a
 * message of n bytes costs on the order of n, however it is cut. Nothing that is taken out shares
 * memory with it.
 */
export class ReceiveBuffer {
  #bytes: Uint8Array = nothing;
  #start = 0;
  #end = 0;
  /** True when the bytes are room that was made here, which can be used again. */
  #isRoom = false;
  readonly #scanner = new Scanner();
  /** How many values the scan under way is for; 0 when none is. */
  #scanned = 0;

  /** Bytes that wait. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** Adds bytes, which must not change any more. */
  push(chunk: Uint8Array): void {
    if (this.length === 0) {
      this.#bytes = chunk;
      this.#isRoom = false;
      this.#start = 0;
      this.#end = chunk.length;
      return;
    }
    // An adopted chunk ends where its bytes end, so nothing is ever written behind it.
    if (this.#end + chunk.length > this.#bytes.length) this.#makeRoom(chunk.length);
    this.#bytes.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /** The first byte that waits; undefined when none does. */
  peek(): number | undefined {
    return this.length > 0 ? this.#bytes[this.#start] : undefined;
  }

  /** Drops the first byte that waits. */
  dropByte(): void {
    this.#consume(1);
  }

  /**
   * Takes the next `count` msgpack values, to be read before anything else is done here; `null`
   * while they are not complete. Throws `MsgpackError` when they cannot become so.
   */
  takeValues(count: number): Decoder | null {
    if (this.#scanned === 0) this.#scanner.expect(count);
    this.#scanned = count;
    if (!this.#scanner.scan(this.#bytes, this.#start, this.#end)) return null;
    this.#scanned = 0;
    const decoder = new Decoder(this.#bytes, this.#start, this.#start + this.#scanner.position);
    this.#consume(this.#scanner.position);
    return decoder;
  }

  /** Takes at most `limit` bytes: all that wait are given away as they are, fewer are copied. */
  takeBytes(limit: number): Uint8Array {
    const count = Math.min(limit, this.length);
    if (count === this.length) return this.#giveAway();
    const copy = new Uint8Array(count);
    copy.set(this.#bytes.subarray(this.#start, this.#start + count));
    this.#consume(count);
    return copy;
  }

  /** Drops at most `limit` bytes; returns how many. */
  dropBytes(limit: number): number {
    const count = Math.min(limit, this.length);
    this.#consume(count);
    return count;
  }

  #giveAway(): Uint8Array {
    const all = this.#bytes.subarray(this.#start, this.#end);
    this.#isRoom = false;
    this.#consume(all.length);
    return all;
  }

  #consume(count: number): void {
    this.#start += count;
    if (this.#start < this.#end) return;
    if (this.#isRoom) keepSpare(this.#bytes);
    this.#isRoom = false;
    this.#bytes = nothing;
    this.#start = 0;
    this.#end = 0;
  }

  #makeRoom(count: number): void {
    const room = roomFor(this.length + count);
    room.set(this.#bytes.subarray(this.#start, this.#end));
    this.#end = this.length;
    this.#start = 0;
    this.#bytes = room;
    this.#isRoom = true;
  }
}
