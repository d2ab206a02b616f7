import { describe, expect, it } from 'vitest';
import { Decoder } from './decode.ts';
import { Encoder } from './encode.ts';

describe('encoders that are used at the same time', () => {
  it('never write into what the others gave out', () => {
    const lengths = [1, 30, 255, 256, 257, 1000, 1024, 1025, 3, 8000];
    const encoders = Array.from({ length: 40 }, (_, i) => new Encoder(lengths[i % 10]));
    const filled = encoders.map((to, i) => {
      to.bytes(new Uint8Array(lengths[(i * 7) % 10] ?? 0).fill(i));
      return to.finish();
    });
    for (const [i, bytes] of filled.entries()) {
      const size = lengths[(i * 7) % 10] ?? 0;
      expect(Decoder.ofWhole(bytes).bytes()).toEqual(new Uint8Array(size).fill(i));
    }
  });
});
