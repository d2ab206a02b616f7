import { EventEmitter } from 'node:events';
import { beforeEach, expect, it, vi } from 'vitest';
import { newDeferred } from '../../internal/deferred.ts';
import { SnapshotWorkers } from './pool.ts';

/** A pool whose threads a test has in its hands. */
class HeldPool extends EventEmitter {
  threads: object[] = [];
  readonly outcome = newDeferred<unknown>();
  run(): Promise<unknown> {
    return this.outcome.promise;
  }
  async destroy(): Promise<void> {}
}

const made = vi.hoisted((): unknown[] => []);
vi.mock('piscina', () => ({
  Piscina: function newPool() {
    const pool = new HeldPool();
    made.push(pool);
    return pool;
  },
}));

const told = { sizeBytes: 3, crc: new Uint8Array(8) };

function begin() {
  const task = new SnapshotWorkers().checksumOf('/a/file');
  task.catch(() => {});
  const pool = made.at(-1);
  if (!(pool instanceof HeldPool)) throw new Error('expected that a pool was made');
  return { task, pool };
}

beforeEach(() => {
  made.length = 0;
});

it('fails what waits when the last thread fails before it has taken its task', async () => {
  const { task, pool } = begin();
  pool.emit('error', new Error('it does not start'));
  await expect(task).rejects.toMatchObject({
    code: 'ERR_SNAPSHOT_WORKER',
    message: 'the worker thread of a snapshot failed: it does not start',
  });
});

it('lets a thread work that is not the one which failed a second time', async () => {
  const { task, pool } = begin();
  pool.threads = [{}];
  pool.emit('error', new Error('out of memory on its way out'));
  pool.outcome.resolve({ ok: true, told });
  expect(await task).toEqual(told);
});
