import fc from 'fast-check';
import { expect, it } from 'vitest';
import { utf8 } from './bytes.ts';
import { Crc64 } from './crc64.ts';

const POLYNOMIAL = 0xc96c5795d7870f42n;

/** The definition, one bit at a time. */
function slowly(bytes: Uint8Array): string {
  let crc = 0xffff_ffff_ffff_ffffn;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit += 1) {
      crc = (crc & 1n) === 1n ? (crc >> 1n) ^ POLYNOMIAL : crc >> 1n;
    }
  }
  return (crc ^ 0xffff_ffff_ffff_ffffn).toString(16).padStart(16, '0');
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

it('gives the published check value, and zero for nothing', () => {
  expect(hex(new Crc64().update(utf8('123456789')).digest())).toBe('995dc9bbdf1939fa');
  expect(hex(new Crc64().digest())).toBe('0000000000000000');
});

it('equals the definition for any bytes, cut anywhere', () => {
  const property = fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(100), (bytes, cut) => {
    const checksum = new Crc64().update(bytes.subarray(0, cut)).update(bytes.subarray(cut));
    expect(hex(checksum.digest())).toBe(slowly(bytes));
  });
  fc.assert(property, { seed: 64, numRuns: 500 });
});

it('equals the definition where lanes begin and end', () => {
  const bytes = Uint8Array.from({ length: 20_000 }, (_, i) => i * 31 + (i >> 7));
  for (const length of [8183, 8184, 8185, 8191, 8192, 16_367, 16_368, 16_369, 20_000]) {
    for (const start of [0, 1, 5]) {
      const part = bytes.subarray(start, start + length);
      expect(hex(new Crc64().update(part).digest())).toBe(slowly(part));
    }
  }
});

it('can go on after a digest', () => {
  const checksum = new Crc64().update(utf8('1234'));
  checksum.digest();
  expect(hex(checksum.update(utf8('56789')).digest())).toBe('995dc9bbdf1939fa');
});

it.each([
  [0, '0000000000000000'],
  [1, '1fada17364673f59'],
  [7, '7bb41a0d35889b34'],
  [8, 'd7289a53957ab69e'],
  [9, 'a27569df15dc7857'],
  [255, '6f8860347c501818'],
  [65_537, 'ee03357810bcc0d2'],
  [1_048_576, 'a4ae50b1ae0608fa'],
])('of %i bytes is what hash/crc64 of Go says with its ECMA table', (length, sum) => {
  const bytes = Uint8Array.from({ length }, (_, i) => i * 7 + (i >> 8));
  expect(hex(new Crc64().update(bytes).digest())).toBe(sum);
});
