import { describe, expect, it } from 'vitest';
import { IncomingSnapshot } from './snapshot-stream.ts';

async function lengthOf(snapshot: IncomingSnapshot): Promise<number> {
  let bytes = 0;
  for await (const chunk of snapshot) bytes += chunk.length;
  return bytes;
}

describe('a snapshot that comes in', () => {
  it('is not shorter than it is for who reads it after it was answered', async () => {
    for (const came of [4, 10]) {
      const snapshot = new IncomingSnapshot(10, () => {});
      expect(snapshot.feed(new Uint8Array(came))).toHaveLength(0);
      snapshot.abandon();
      await expect(lengthOf(snapshot)).rejects.toMatchObject({ code: 'ERR_SNAPSHOT_ABANDONED' });
      snapshot.feed(new Uint8Array(10 - came));
      expect(snapshot.isOver).toBe(true);
    }
  });

  it('that was read to its end has an end, answered or not', async () => {
    const snapshot = new IncomingSnapshot(10, () => {});
    expect(snapshot.feed(new Uint8Array(12))).toHaveLength(2);
    expect(await lengthOf(snapshot)).toBe(10);
    snapshot.abandon();
    expect(await lengthOf(snapshot)).toBe(0);
  });
});
