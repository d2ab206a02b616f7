/**
 * As many commands as a busy day has, with snapshots all the while: `npm run e2e:endurance`, or
 * with `-- --applies 10000000`. Three nodes over TCP, two of them in processes of their own. Prints
 * what the leader holds as it goes and by how much that grows, and fails when anything does.
 */
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Raft } from '../../index.ts';
import { KeyedStore, Load, leads, startFollowers, startNode } from './keyed-cluster.ts';

const KEYS = 10_000;
const WRITERS = 1024;
const LOOKS = 20;
const MIB = 2 ** 20;
/** Large messages, so that the day is short; and many snapshots. */
const SETTINGS = {
  maxAppendEntries: 1024,
  batchApplyCh: true,
  snapshotInterval: 5000,
  snapshotThreshold: 8192,
};
/** Of ten million commands, what is kept by mistake for each or for every tenth is far more. */
const TOLERATED_MIB = 8;
/** The file holds the log between two snapshots, and pages that wait to be used again. */
const TOLERATED_FILE_GROWTH = 1.5;
const LEAST_APPLIES = 1_000_000;
const STUCK_MS = 60_000;
/** A look is the least of so many, this far apart, with no command under way: a snapshot may be. */
const GLANCES = 10;
const BETWEEN_GLANCES_MS = 100;

const { values } = parseArgs({
  options: {
    applies: { type: 'string', default: '10000000' },
    node: { type: 'string' },
    addresses: { type: 'string' },
    data: { type: 'string' },
  },
});
const applies = Number(values.applies);

/** What the leader holds at one moment. */
interface Look {
  readonly applied: number;
  readonly heapMiB: number;
  readonly offHeapMiB: number;
  readonly residentMiB: number;
  readonly fileMiB: number;
  /** Timers, sockets and whatever else keeps a process alive. */
  readonly resources: number;
  readonly listeners: number;
}

function collector(): () => void {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect !== 'function') throw new Error('this Node has no collector to call');
  return () => void Reflect.apply(collect, undefined, []);
}

function countListeners(): number {
  return process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0);
}

async function look(applied: number, file: string, collect: () => void): Promise<Look> {
  const least = { heapUsed: Infinity, external: Infinity, rss: Infinity };
  let resources = Infinity;
  for (let glance = 0; glance < GLANCES; glance += 1) {
    await sleep(BETWEEN_GLANCES_MS);
    collect();
    const seen = process.memoryUsage();
    least.heapUsed = Math.min(least.heapUsed, seen.heapUsed);
    least.external = Math.min(least.external, seen.external);
    least.rss = Math.min(least.rss, seen.rss);
    resources = Math.min(resources, process.getActiveResourcesInfo().length);
  }
  return {
    applied,
    heapMiB: least.heapUsed / MIB,
    offHeapMiB: least.external / MIB,
    residentMiB: least.rss / MIB,
    fileMiB: (await stat(file)).size / MIB,
    resources,
    listeners: countListeners(),
  };
}

/** The straight line through what was seen: by how much a figure grows per million commands. */
function slopeOf(looks: readonly Look[], of: (look: Look) => number): number {
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const x = mean(looks.map(({ applied }) => applied));
  const y = mean(looks.map(of));
  let above = 0;
  let below = 0;
  for (const seen of looks) {
    above += (seen.applied - x) * (of(seen) - y);
    below += (seen.applied - x) ** 2;
  }
  return (above / below) * 1e6;
}

function print({ applied, ...seen }: Look): void {
  const { heapMiB, offHeapMiB, residentMiB, fileMiB, resources, listeners } = seen;
  const mib = (value: number) => value.toFixed(1).padStart(7);
  console.log(
    `${(applied / 1e6).toFixed(2).padStart(6)} million  heap ${mib(heapMiB)} MiB, ` +
      `off heap ${mib(offHeapMiB)}, resident ${mib(residentMiB)}, LMDB file ${mib(fileMiB)}, ` +
      `${resources} resources, ${listeners} listeners`,
  );
}

/** What grows, of what must not. The first quarter is the warming up. */
function judge(looks: readonly Look[]): string[] {
  const settled = looks.slice(Math.ceil(looks.length / 4));
  const [first] = settled;
  const last = settled.at(-1);
  if (first === undefined || last === undefined || settled.length < 3) return ['too few looks'];
  const complaints: string[] = [];
  const figures = { heap: 'heapMiB', 'off heap': 'offHeapMiB', resident: 'residentMiB' } as const;
  for (const [name, key] of Object.entries(figures)) {
    const slope = slopeOf(settled, (seen) => seen[key]);
    console.log(`${name}: ${slope.toFixed(3)} MiB more per million commands`);
    const grownMiB = (slope * (last.applied - first.applied)) / 1e6;
    if (name !== 'resident' && grownMiB > TOLERATED_MIB) complaints.push(`${name} grows`);
  }
  const half = settled.length >> 1;
  const most = (key: 'fileMiB' | 'resources', from: number, to: number) =>
    Math.max(...settled.slice(from, to).map((seen) => seen[key]));
  const before = most('fileMiB', 0, half);
  if (most('fileMiB', half, settled.length) > before * TOLERATED_FILE_GROWTH) {
    complaints.push('the file grows');
  }
  if (last.listeners > first.listeners) complaints.push('listeners are left behind');
  if (last.resources > 2 * most('resources', 0, half)) complaints.push('resources are left behind');
  return complaints;
}

/**
 * Writes `count` commands or a few more, and gives how many.
 * @throws Error when none is answered for a minute
 */
async function write(raft: Raft, count: number): Promise<number> {
  const load = new Load(raft, WRITERS, KEYS);
  try {
    let seen = 0;
    let sinceMs = performance.now();
    while (load.done < count) {
      await sleep(20);
      if (load.done !== seen) {
        seen = load.done;
        sinceMs = performance.now();
      } else if (performance.now() - sinceMs > STUCK_MS) {
        throw new Error(`no command was answered for ${STUCK_MS} ms, after ${seen}`);
      }
    }
  } finally {
    await load.stop();
  }
  return load.done;
}

async function run(data: string): Promise<void> {
  const collect = collector();
  const { place, stop } = await startFollowers(fileURLToPath(import.meta.url), data);
  const fsm = new KeyedStore();
  fsm.fill(KEYS);
  const { raft, store } = await startNode(place, fsm, SETTINGS);
  await leads(raft);
  const file = join(data, place.id, 'log', 'data.mdb');
  const looks: Look[] = [];
  const startMs = performance.now();
  let applied = 0;
  try {
    while (looks.length < LOOKS) {
      applied += await write(raft, (applies / LOOKS) * (looks.length + 1) - applied);
      const seen = await look(applied, file, collect);
      looks.push(seen);
      print(seen);
    }
  } finally {
    stop();
    await raft.shutdown();
    await store.close();
  }
  const seconds = (performance.now() - startMs) / 1000;
  console.log(`${applied} commands in ${seconds.toFixed(0)} s`);
  const complaints = judge(looks);
  console.log(complaints.length === 0 ? 'nothing grows' : complaints.join('; '));
  if (complaints.length > 0) process.exitCode = 1;
}

const { node, addresses = '', data } = values;
if (node !== undefined) {
  const place = { id: node, addresses: addresses.split(','), data: data ?? '' };
  await startNode(place, new KeyedStore(), SETTINGS);
} else if (!(applies >= LEAST_APPLIES)) {
  const expected = `expected a number of ${LEAST_APPLIES} or more`;
  console.error(`--applies: ${expected}, got ${values.applies}`);
  process.exitCode = 2;
} else {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-endurance-'));
  try {
    await run(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
