import { describe, expect, it } from 'vitest';
import { utf8 } from '../internal/bytes.ts';
import { randomInteger, seededRandom } from '../internal/random.ts';
import { crc32 } from './crc32.ts';

function bitByBit(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}

describe('crc32', () => {
  it('gives the check value of the catalogue, and what Python says of other bytes', () => {
    expect(crc32(utf8('123456789'))).toBe(0xcbf43926);
    expect(crc32(new Uint8Array(32))).toBe(0x190a55ad);
    expect(crc32(new Uint8Array(32).fill(0xff))).toBe(0xff6cab0b);
    expect(crc32(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x91267e8a);
    expect(crc32(new Uint8Array(0))).toBe(0);
  });

  it('agrees with the definition on every length and alignment', () => {
    const random = seededRandom(7);
    const bytes = Uint8Array.from({ length: 64 }, () => randomInteger(random, 0, 255));
    for (let start = 0; start < 9; start += 1) {
      for (let end = start; end <= bytes.length; end += 1) {
        expect(crc32(bytes, start, end)).toBe(bitByBit(bytes.subarray(start, end)));
      }
    }
  });

  it('agrees with it where the platform takes over', () => {
    const random = seededRandom(8);
    const bytes = Uint8Array.from({ length: 600 }, () => randomInteger(random, 0, 255));
    for (let end = 300; end <= bytes.length; end += 1) {
      const seed = bitByBit(bytes.subarray(0, 3));
      expect(crc32(bytes, 3, end, seed)).toBe(bitByBit(bytes.subarray(0, end)));
    }
  });

  it('goes on from the checksum of what came before', () => {
    const bytes = utf8('a replicated log');
    expect(crc32(bytes, 5, bytes.length, crc32(bytes, 0, 5))).toBe(crc32(bytes));
  });
});
