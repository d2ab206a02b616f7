import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { MessageChannel } from 'node:worker_threads';
import { expect, it } from 'vitest';
import type { Clock } from '../../internal/clock.ts';
import { systemClock } from '../../internal/clock.ts';
import { writeItems } from '../../raft/item-frames.ts';
import { msgpackCodec } from '../msgpack-codec.ts';
import { PipeReader, PipeWriter } from './pipe.ts';
import { SnapshotWorkers } from './pool.ts';
import { sendSlices } from './slices.ts';
import { workerSnapshot } from './worker-snapshot.ts';

const nothing = async () => {};
const deaf = { write: async () => 0, close: nothing, cancel: nothing, id: () => 'deaf' };

/** Time that passes only when somebody works, and a note of how long nobody else could. */
class WorkClock implements Clock {
  longestMs = 0;
  restedMs = 0;
  #nowMs = 0;
  #turnedMs = 0;

  readonly wallTime = systemClock.wallTime;

  monotonicMs(): number {
    return this.#nowMs;
  }

  work(ms: number): void {
    this.#nowMs += ms;
    this.longestMs = Math.max(this.longestMs, this.#nowMs - this.#turnedMs);
  }

  afterIO(resume: () => void): void {
    this.#turnedMs = this.#nowMs;
    setImmediate(resume);
  }

  setTimer(delayMs: number, ring: () => void) {
    this.#nowMs += delayMs;
    this.restedMs += delayMs;
    this.afterIO(ring);
    return { cancel: () => {} };
  }
}

it.each([
  ['drawing is slow', 0.5, 0],
  ['sending is slow', 0.01, 0.05],
  ['both are', 0.1, 0.1],
])('keeps slices of items within their time when %s', async (_, drawMs, sendMs) => {
  const clock = new WorkClock();
  const { port1, port2 } = new MessageChannel();
  const reader = new PipeReader<unknown[]>(port2);
  let count = 0;
  const read = async () => {
    for await (const slice of reader) count += slice.length;
  };
  const writer = new (class extends PipeWriter<unknown[]> {
    override post(slice: unknown[], transfer: ArrayBuffer[]): void {
      clock.work(slice.length * sendMs);
      super.post(slice, transfer);
    }
  })(port1);
  const source = function* () {
    for (let i = 0; i < 1000; i += 1) {
      clock.work(drawMs);
      yield i;
    }
  };
  const { signal } = new AbortController();
  const pace = { clock, sliceMs: 5, share: 0.25 };
  const reading = read();
  await sendSlices(writer, { source: source(), transfer: undefined, pace, signal });
  await reading;
  expect(count).toBe(1000);
  expect(clock.longestMs).toBeLessThanOrEqual(5);
  const spentMs = 1000 * (drawMs + sendMs);
  expect(clock.restedMs).toBeGreaterThan(spentMs * 2);
  expect(clock.restedMs).toBeLessThanOrEqual(spentMs * 3.001);
});

it('lets the loop turn while a large state is drawn, which encoding it here does not', async () => {
  const state = new Map<string, Uint8Array>();
  const value = new Uint8Array(100);
  for (let i = 0; i < 200_000; i += 1) state.set(`key ${i}`, value);
  let turns = 0;
  let counting = true;
  const count = () => {
    turns += 1;
    if (counting) setImmediate(count);
  };
  setImmediate(count);
  await new Promise((resolve) => setImmediate(resolve));

  turns = 0;
  await writeItems(deaf, state, msgpackCodec);
  const here = turns;

  const workers = new SnapshotWorkers();
  await workers.checksumOf(fileURLToPath(import.meta.url));
  turns = 0;
  await workerSnapshot({ source: state, workers, share: 1 }).persist(deaf);
  const inWorker = turns;
  counting = false;
  await workers.close();
  expect(here).toBe(0);
  expect(inWorker).toBeGreaterThanOrEqual(200_000 / 4096);
});

it('keeps no process alive', () => {
  const program = `
    import { workerSnapshot } from 'quorate/snapshot/worker';
    const nothing = async () => {};
    const deaf = { write: async () => 0, close: nothing, cancel: nothing, id: () => 'deaf' };
    await workerSnapshot({ source: [1, 2, 3] }).persist(deaf);
    process.on('exit', () => console.log('ended'));
  `;
  const cwd = fileURLToPath(new URL('../..', import.meta.url));
  const args = ['--input-type=module', '--eval', program];
  const { stdout, stderr } = spawnSync(process.execPath, args, { cwd, timeout: 50_000 });
  expect([String(stdout), String(stderr)]).toEqual(['ended\n', '']);
});
