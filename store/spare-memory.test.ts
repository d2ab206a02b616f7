import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { bytesEqual } from '../internal/bytes.ts';
import { ZERO_TIME } from '../internal/timestamp.ts';
import { type Log, LogType } from '../raft/log.ts';
import { newLMDBStore } from './lmdb-store.ts';
import { SpareMemory } from './spare-memory.ts';

const LARGE_BYTES = 600 << 10;

it('gives the same memory again, and never to two', () => {
  const memory = new SpareMemory();
  const first = memory.take(LARGE_BYTES);
  expect(memory.take(LARGE_BYTES).buffer).not.toBe(first.buffer);
  memory.giveBack(first);
  const again = memory.take(LARGE_BYTES - 1);
  expect(again.buffer).toBe(first.buffer);
  expect(again).toHaveLength(LARGE_BYTES - 1);
  expect(memory.take(LARGE_BYTES).buffer).not.toBe(first.buffer);
});

it('keeps the larger of two, and nothing small or very large', () => {
  const memory = new SpareMemory();
  const large = memory.take(2 * LARGE_BYTES);
  const larger = memory.take(3 * LARGE_BYTES);
  for (const piece of [large, larger, large]) memory.giveBack(piece);
  expect(memory.take(LARGE_BYTES).buffer).toBe(larger.buffer);
  expect(memory.take(LARGE_BYTES).buffer).not.toBe(large.buffer);
  for (const bytes of [1000, (16 << 20) + 1]) {
    const piece = memory.take(bytes);
    memory.giveBack(piece);
    expect(memory.take(bytes).buffer).not.toBe(piece.buffer);
  }
});

it('makes no difference to what a store keeps, of small writes among large ones', async () => {
  const path = await mkdtemp(join(tmpdir(), 'quorate-spare-'));
  onTestFinished(() => rm(path, { recursive: true }));
  const wanted: Log[] = [600, 1, 610, 590, 600, 2, 580, 700].map((kilobytes, at) => ({
    index: at + 1,
    term: 1,
    type: LogType.LogCommand,
    data: new Uint8Array(kilobytes << 10).fill(at + 1),
    extensions: at % 2 === 0 ? null : Uint8Array.of(at),
    appendedAt: ZERO_TIME,
  }));
  const store = await newLMDBStore({ path });
  // Four at a time: the others are encoded while the first one is written.
  for (const at of [0, 4]) {
    await Promise.all(wanted.slice(at, at + 4).map((log) => store.storeLogs([log])));
  }
  const look = (from: typeof store) => wanted.map(({ index }) => from.getLog(index));
  const before = look(store);
  await store.close();
  const reopened = await newLMDBStore({ path });
  const after = look(reopened);
  await reopened.close();
  for (const found of [before, after]) {
    const isKept = wanted.map(
      ({ data, extensions }, at) =>
        bytesEqual(data, found[at]?.data ?? null) &&
        bytesEqual(extensions, found[at]?.extensions ?? null),
    );
    expect(isKept).toEqual(wanted.map(() => true));
  }
});
