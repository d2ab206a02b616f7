/**
 * What a snapshot of a large state does to the loop of a leader that is under load, encoded by a
 * worker and, beside it, on the main thread: `npm run e2e:snapshot [-- --keys 1000000]`. Three
 * nodes over TCP, two of them in processes of their own, or with `--nodes 1` one that has the
 * machine to itself. It measures and judges nothing.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { KeyedStore, Load, leads, startFollowers, startNode, WAYS } from './keyed-cluster.ts';

/** Snapshots are taken when this program says so. */
const NEVER = { snapshotInterval: 3_600_000 };

const { values } = parseArgs({
  options: {
    keys: { type: 'string', default: '1000000' },
    writers: { type: 'string', default: '64' },
    seconds: { type: 'string', default: '5' },
    nodes: { type: 'string', default: '3' },
    node: { type: 'string' },
    addresses: { type: 'string' },
    data: { type: 'string' },
  },
});
const keyCount = Number(values.keys);
const nodeCount = Number(values.nodes);

/** Milliseconds that the thread with the loop was ready to run and waited for a processor. */
function waitedMs(): number {
  try {
    return Number(readFileSync('/proc/self/schedstat', 'utf8').split(' ')[1]) / 1e6;
  } catch {
    return Number.NaN; // only Linux tells
  }
}

/** Says how the loop and the writers fared while `work` was under way. */
async function measure(name: string, load: Load, work: () => Promise<unknown>): Promise<number> {
  const delays = monitorEventLoopDelay({ resolution: 1 });
  const pauses: number[] = [];
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) pauses.push(duration);
  });
  observer.observe({ entryTypes: ['gc'] });
  const before = load.done;
  const waitedBeforeMs = waitedMs();
  const startMs = performance.now();
  delays.enable();
  await work();
  delays.disable();
  const ms = performance.now() - startMs;
  await sleep(0);
  observer.disconnect();
  const rate = ((load.done - before) / ms) * 1000;
  const [p99, max] = [delays.percentile(99) / 1e6, delays.max / 1e6];
  const waited = ((waitedMs() - waitedBeforeMs) / ms) * 100;
  const gcMs = pauses.reduce((sum, pause) => sum + pause, 0);
  console.log(
    `${name.padEnd(24)} ${(ms / 1000).toFixed(1).padStart(6)} s  ` +
      `delay p99 ${p99.toFixed(1).padStart(6)} ms, max ${max.toFixed(1).padStart(7)} ms  ` +
      `${rate.toFixed(0).padStart(6)} writes/s  ` +
      `collector ${((gcMs / ms) * 100).toFixed(1)} %, ` +
      `max ${Math.max(0, ...pauses).toFixed(1)} ms  waited for a processor ${waited.toFixed(0)} %`,
  );
  return rate;
}

async function lead(data: string): Promise<void> {
  const { place, stop } = await startFollowers(fileURLToPath(import.meta.url), data, nodeCount - 1);
  const fsm = new KeyedStore();
  fsm.fill(keyCount);
  const { raft, store } = await startNode(place, fsm, NEVER);
  await leads(raft);
  const load = new Load(raft, Number(values.writers), keyCount);
  const pause = Number(values.seconds) * 1000;
  await sleep(pause);
  for (const way of WAYS) {
    fsm.way = way;
    const alone = await measure('no snapshot', load, () => sleep(pause));
    const during = await measure(way, load, async () => await raft.snapshot());
    console.log(`  throughput during the snapshot: ${((during / alone) * 100).toFixed(0)} %`);
  }
  await load.stop();
  stop();
  await raft.shutdown();
  await store.close();
}

const { node, addresses = '', data } = values;
if (node !== undefined) {
  const place = { id: node, addresses: addresses.split(','), data: data ?? '' };
  await startNode(place, new KeyedStore(), NEVER);
} else if (nodeCount !== 1 && nodeCount !== 3) {
  console.error(`--nodes: expected 1 or 3, got ${values.nodes}`);
  process.exitCode = 2;
} else {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-snapshot-delay-'));
  try {
    await lead(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
