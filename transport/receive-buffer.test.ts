import { describe, expect, it } from 'vitest';
import { ReceiveBuffer } from './receive-buffer.ts';

function bytes(length: number, first: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => first + i);
}

describe('bytes that are taken out', () => {
  it('are the chunk itself when nothing else waits', () => {
    const buffer = new ReceiveBuffer();
    const chunk = bytes(8, 1);
    buffer.push(chunk);
    buffer.dropByte();
    const taken = buffer.takeBytes(100);
    expect(taken).toEqual(bytes(7, 2));
    expect(taken.buffer).toBe(chunk.buffer);
    expect(buffer.length).toBe(0);
  });

  it('stay as they are, whatever comes afterwards', () => {
    const buffer = new ReceiveBuffer();
    for (const first of [1, 11, 21]) buffer.push(bytes(10, first));
    const some = buffer.takeBytes(5);
    const rest = buffer.takeBytes(100);
    for (let i = 0; i < 10; i += 1) buffer.push(bytes(10, 200));
    expect(buffer.takeBytes(100)).toHaveLength(100);
    expect(some).toEqual(bytes(5, 1));
    expect(rest).toEqual(bytes(25, 6));
  });

  it('are none when none wait or none are wanted', () => {
    const buffer = new ReceiveBuffer();
    expect(buffer.takeBytes(5)).toHaveLength(0);
    buffer.push(bytes(3, 1));
    expect(buffer.takeBytes(0)).toHaveLength(0);
    expect(buffer.takeBytes(3)).toEqual(bytes(3, 1));
  });
});

describe('room for a message that spans chunks', () => {
  /** A msgpack byte string of `length` bytes that all are `value`. */
  function message(length: number, value: number): Uint8Array {
    const encoded = new Uint8Array(length + 5).fill(value);
    encoded[0] = 0xdb;
    new DataView(encoded.buffer).setUint32(1, length);
    return encoded;
  }

  function pushInChunks(buffer: ReceiveBuffer, all: Uint8Array, size = 1000): void {
    for (let at = 0; at < all.length; at += size) buffer.push(all.slice(at, at + size));
  }

  it('may be used by another one, and what was read keeps its bytes', () => {
    const [one, other] = [new ReceiveBuffer(), new ReceiveBuffer()];
    const read: Uint8Array[] = [];
    for (let i = 0; i < 6; i += 1) {
      const buffer = i % 2 === 0 ? one : other;
      pushInChunks(buffer, message(5000 + 700 * i, i + 1));
      const bytes = buffer.takeValues(1)?.bytes();
      if (bytes) read.push(bytes);
    }
    expect(read).toEqual(
      Array.from({ length: 6 }, (_, i) => new Uint8Array(5000 + 700 * i).fill(i + 1)),
    );
  });

  it('is not shared by two who are in the middle of a message', () => {
    const buffers = [1, 2, 3].map(() => new ReceiveBuffer());
    const halves = buffers.map((_, i) => message(4000, i + 1));
    for (const round of [0, 1]) {
      for (const [i, buffer] of buffers.entries()) {
        const half = halves[i]?.slice(2003 * round, round === 0 ? 2003 : undefined);
        pushInChunks(buffer, half ?? new Uint8Array(0), 500);
      }
    }
    const read = buffers.map((buffer) => buffer.takeValues(1)?.bytes());
    expect(read).toEqual([1, 2, 3].map((value) => new Uint8Array(4000).fill(value)));
  });

  it('is not used again when its bytes were given away', () => {
    const buffer = new ReceiveBuffer();
    pushInChunks(buffer, new Uint8Array(3000).fill(7));
    const given = buffer.takeBytes(5000);
    pushInChunks(buffer, new Uint8Array(3000).fill(8));
    expect(given).toEqual(new Uint8Array(3000).fill(7));
    expect(buffer.takeBytes(5000)).toEqual(new Uint8Array(3000).fill(8));
  });
});
