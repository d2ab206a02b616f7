import { describe, expect, it } from 'vitest';
import { sliceOf } from './slab.ts';

/** Sizes on both sides of each way in which a copy gets its memory. */
const sizes = [0, 1, 64, 65, 256, 1024, 1025, 8192];

describe('a copy', () => {
  it.each(sizes)('of %i bytes shares none of them, not with a Buffer either', (size) => {
    for (const bytes of [new Uint8Array(size).fill(7), Buffer.alloc(size, 7)]) {
      const copy = sliceOf(bytes);
      bytes.fill(8);
      expect([...copy]).toEqual(new Array(size).fill(7));
    }
  });

  it.each(sizes)('of %i bytes out of the middle has just these', (size) => {
    const bytes = Uint8Array.from({ length: size + 20 }, (_, i) => i);
    expect([...sliceOf(bytes, 10, size + 10)]).toEqual([...bytes.subarray(10, size + 10)]);
  });

  it('overlaps no other', () => {
    const copies = Array.from({ length: 200 }, (_, i) => sliceOf(new Uint8Array(100).fill(i)));
    copies.forEach((copy, i) => {
      expect(copy.every((byte) => byte === i)).toBe(true);
    });
  });
});
