import { expect, it } from 'vitest';
import { Configuration } from '../../index.ts';
import { concatBytes } from '../../internal/bytes.ts';
import { newInmemSnapshotStore } from '../../snapshot/index.ts';
import { addressTransport } from '../../testing/conformance/snapshot-store.ts';
import { logOf } from '../../testing/runtime-fixture.ts';
import { type Answer, type Command, encodeCommand, LockTable } from './lock-table.ts';

/** A table and the log that it is given. */
class Story {
  readonly table = new LockTable();
  #index = 10;

  tell(command: Command): Answer {
    this.#index += 1;
    return this.table.apply({ ...logOf(this.#index, 1), data: encodeCommand(command) });
  }

  acquire(owner: string, atMs: number, ttlMs = 100): Answer {
    return this.tell({ op: 'acquire', lock: 'l', owner, ttlMs, atMs });
  }
}

it('grants a lock to one owner; the token is the index of the grant', () => {
  const story = new Story();
  const lease = { owner: 'a', token: 11, expiresAtMs: 150 };
  expect(story.acquire('a', 50)).toEqual({ granted: true, lease });
  expect(story.acquire('b', 60)).toEqual({ granted: false, lease });
  expect(story.table.get('l')).toEqual(lease);
});

it('gives an owner that asks again the same token for longer', () => {
  const story = new Story();
  story.acquire('a', 0);
  expect(story.acquire('a', 90)).toMatchObject({ granted: true, lease: { token: 11 } });
  expect(story.table.nextExpiryMs()).toBe(190);
});

it('renews and releases for the right token only', () => {
  const story = new Story();
  story.acquire('a', 0);
  const renew = { op: 'renew', lock: 'l', ttlMs: 100 } as const;
  expect(story.tell({ ...renew, token: 10, atMs: 50 }).granted).toBe(false);
  expect(story.tell({ ...renew, token: 11, atMs: 50 }).granted).toBe(true);
  expect(story.table.nextExpiryMs()).toBe(150);
  const release = { op: 'release', lock: 'l', atMs: 60 } as const;
  expect(story.tell({ ...release, token: 12 })).toMatchObject({ granted: false });
  expect(story.tell({ ...release, token: 11 })).toEqual({ granted: true, lease: null });
  expect(story.tell({ ...release, token: 11 })).toEqual({ granted: false, lease: null });
  expect(story.acquire('b', 60)).toMatchObject({ granted: true, lease: { token: 17 } });
});

it('ends a lease when a command says that its time has come, not before', () => {
  const story = new Story();
  story.acquire('a', 0);
  story.tell({ op: 'expire', atMs: 99 });
  expect(story.table.get('l')).toBeDefined();
  story.tell({ op: 'expire', atMs: 100 });
  expect(story.table.get('l')).toBeUndefined();
  expect(story.table.nextExpiryMs()).toBeNull();
  story.acquire('a', 100);
  expect(story.acquire('b', 200)).toMatchObject({ granted: true, lease: { owner: 'b' } });
});

it('never lets time go back, whatever a leader says', () => {
  const story = new Story();
  story.tell({ op: 'expire', atMs: 500 });
  expect(story.acquire('a', 20).lease?.expiresAtMs).toBe(600);
  expect(story.table.nowMs).toBe(500);
});

it('comes back from a snapshot as it was when that was taken', async () => {
  const story = new Story();
  story.acquire('Müller', 70);
  const snapshot = await story.table.snapshot();
  story.tell({ op: 'expire', atMs: 1000 });
  const store = newInmemSnapshotStore();
  const sink = store.create(1, 1, 1, new Configuration(), 1, addressTransport);
  await snapshot.persist(sink);
  await sink.close();
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.open(sink.id()).reader) chunks.push(chunk);
  const bytes = concatBytes(chunks);
  async function* bytewise() {
    for (const byte of bytes) yield Uint8Array.of(byte);
  }
  const restored = new LockTable();
  await restored.restore(bytewise());
  expect(restored.nowMs).toBe(70);
  expect(restored.get('l')).toEqual({ owner: 'Müller', token: 11, expiresAtMs: 170 });
});
