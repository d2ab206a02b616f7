import { crc64Module, LANE_BYTES, MOVE_AT, TABLE_BYTES } from './crc64-module.ts';

/** How many bytes are handed to the module at a time: one page of its memory, behind the tables. */
const WINDOW_BYTES = 65_536;
const WINDOW_AT = WINDOW_BYTES;
const ALL_ONES = -1n;

/** CRC-64/XZ, which Go calls ECMA, reflected: the low and the high half of the polynomial. */
const POLYNOMIAL_LOW = 0xd7870f42;
const POLYNOMIAL_HIGH = 0xc96c5795;

/**
 * Eight tables of 256 remainders: table k holds what a byte contributes when k bytes follow it.
 * Each remainder is two 32-bit halves, the low one first, which is how the module reads 64 bits.
 */
function fillTables(halves: Int32Array): void {
  for (let byte = 0; byte < 256; byte += 1) {
    let low = byte;
    let high = 0;
    for (let bit = 0; bit < 8; bit += 1) {
      const carry = low & 1;
      low = (low >>> 1) | (high << 31);
      high >>>= 1;
      if (carry === 1) {
        low ^= POLYNOMIAL_LOW;
        high ^= POLYNOMIAL_HIGH;
      }
    }
    halves[2 * byte] = low;
    halves[2 * byte + 1] = high;
  }
  for (let at = 512; at < TABLE_BYTES / 4; at += 2) {
    const low = halves[at - 512] ?? 0;
    const high = halves[at - 511] ?? 0;
    const first = 2 * (low & 255);
    halves[at] = ((low >>> 8) | (high << 24)) ^ (halves[first] ?? 0);
    halves[at + 1] = (high >>> 8) ^ (halves[first + 1] ?? 0);
  }
}

/**
 * What a remainder becomes when a lane of zeros follows: as with the others, table 7 - k holds what
 * byte k of it contributes. The module, whose memory is still zero there, says it for single bits.
 */
function fillMoves(remainders: BigInt64Array): void {
  for (let bit = 0; bit < 64; bit += 1) {
    const table = 256 * (7 - (bit >> 3));
    const first = 1 << (bit & 7);
    const moved = update(1n << BigInt(bit), WINDOW_AT, WINDOW_AT + LANE_BYTES);
    for (let below = 0; below < first; below += 1) {
      remainders[table + first + below] = (remainders[table + below] ?? 0n) ^ moved;
    }
  }
}

const { memory, update } = crc64Module();
fillTables(new Int32Array(memory.buffer, 0, TABLE_BYTES / 4));
fillMoves(new BigInt64Array(memory.buffer, MOVE_AT, TABLE_BYTES / 8));
const window = new Uint8Array(memory.buffer, WINDOW_AT, WINDOW_BYTES);

/** A CRC-64/XZ over bytes that arrive in pieces; complemented before and after. */
export class Crc64 {
  #remainder = ALL_ONES;

  /** Takes the next bytes. */
  update(bytes: Uint8Array): this {
    for (let from = 0; from < bytes.length; from += WINDOW_BYTES) {
      const part = bytes.subarray(from, from + WINDOW_BYTES);
      window.set(part);
      this.#remainder = update(this.#remainder, WINDOW_AT, WINDOW_AT + part.length);
    }
    return this;
  }

  /** The checksum of everything taken so far: 8 bytes, most significant first. */
  digest(): Uint8Array {
    const sum = new Uint8Array(8);
    new DataView(sum.buffer).setBigInt64(0, ~this.#remainder);
    return sum;
  }
}
