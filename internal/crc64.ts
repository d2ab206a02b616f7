/**
 * CRC-64/XZ, which Go calls ECMA: reflected polynomial 0xC96C5795D7870F42, complemented before and
 * after. JavaScript has no fast 64-bit integer, so the remainder is two 32-bit halves. Eight bytes
 * are taken at a time: table k holds what a byte contributes when k bytes follow it.
 */
const POLYNOMIAL_LOW = 0xd7870f42;
const POLYNOMIAL_HIGH = 0xc96c5795;
const SLICES = 8;

const low = new Int32Array(SLICES * 256);
const high = new Int32Array(SLICES * 256);

for (let byte = 0; byte < 256; byte += 1) {
  let l = byte;
  let h = 0;
  for (let bit = 0; bit < 8; bit += 1) {
    const carry = l & 1;
    l = (l >>> 1) | (h << 31);
    h >>>= 1;
    if (carry === 1) {
      l ^= POLYNOMIAL_LOW;
      h ^= POLYNOMIAL_HIGH;
    }
  }
  low[byte] = l;
  high[byte] = h;
}
for (let at = 256; at < SLICES * 256; at += 1) {
  const l = low[at - 256] ?? 0;
  const h = high[at - 256] ?? 0;
  low[at] = ((l >>> 8) | (h << 24)) ^ (low[l & 255] ?? 0);
  high[at] = (h >>> 8) ^ (high[l & 255] ?? 0);
}

/** A CRC-64/XZ over bytes that arrive in pieces. */
export class Crc64 {
  #low = -1;
  #high = -1;

  /** Takes the next bytes. */
  update(bytes: Uint8Array): this {
    let l = this.#low;
    let h = this.#high;
    let at = 0;
    const whole = bytes.length - (bytes.length % SLICES);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (; at < whole; at += SLICES) {
      const x = l ^ view.getInt32(at, true);
      const y = h ^ view.getInt32(at + 4, true);
      const a = 1792 + (x & 255);
      const b = 1536 + ((x >>> 8) & 255);
      const c = 1280 + ((x >>> 16) & 255);
      const d = 1024 + (x >>> 24);
      const e = 768 + (y & 255);
      const f = 512 + ((y >>> 8) & 255);
      const g = 256 + ((y >>> 16) & 255);
      const i = y >>> 24;
      l = at8(low, a, b, c, d, e, f, g, i);
      h = at8(high, a, b, c, d, e, f, g, i);
    }
    for (; at < bytes.length; at += 1) {
      const slot = (l ^ (bytes[at] ?? 0)) & 255;
      l = ((l >>> 8) | (h << 24)) ^ (low[slot] ?? 0);
      h = (h >>> 8) ^ (high[slot] ?? 0);
    }
    this.#low = l;
    this.#high = h;
    return this;
  }

  /** The checksum of everything taken so far: 8 bytes, most significant first. */
  digest(): Uint8Array {
    const sum = new Uint8Array(8);
    const view = new DataView(sum.buffer);
    view.setInt32(0, ~this.#high);
    view.setInt32(4, ~this.#low);
    return sum;
  }
}

function at8(
  table: Int32Array,
  a: number,
  b: number,
  c: number,
  d: number,
  e: number,
  f: number,
  g: number,
  h: number,
): number {
  return (
    (table[a] ?? 0) ^
    (table[b] ?? 0) ^
    (table[c] ?? 0) ^
    (table[d] ?? 0) ^
    (table[e] ?? 0) ^
    (table[f] ?? 0) ^
    (table[g] ?? 0) ^
    (table[h] ?? 0)
  );
}
