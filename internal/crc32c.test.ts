import { describe, expect, it } from 'vitest';
import { utf8 } from './bytes.ts';
import { crc32c } from './crc32c.ts';
import { randomInteger, seededRandom } from './random.ts';

function bitByBit(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

describe('crc32c', () => {
  it('gives the check value of the catalogue and the vectors of RFC 3720 B.4', () => {
    expect(crc32c(utf8('123456789'))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => 31 - i))).toBe(0x113fdb5c);
    expect(crc32c(new Uint8Array(0))).toBe(0);
  });

  it('agrees with the definition on every length and alignment', () => {
    const random = seededRandom(7);
    const bytes = Uint8Array.from({ length: 64 }, () => randomInteger(random, 0, 255));
    for (let start = 0; start < 9; start += 1) {
      for (let end = start; end <= bytes.length; end += 1) {
        expect(crc32c(bytes, start, end)).toBe(bitByBit(bytes.subarray(start, end)));
      }
    }
  });

  it('goes on from the checksum of what came before', () => {
    const bytes = utf8('a replicated log');
    expect(crc32c(bytes, 5, bytes.length, crc32c(bytes, 0, 5))).toBe(crc32c(bytes));
  });
});
