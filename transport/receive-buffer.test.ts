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
