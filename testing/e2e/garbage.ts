import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { KvClient, type NodeStatus } from '../../examples/kv/client.ts';
import type { Cluster } from '../../examples/kv/cluster.ts';
import { lookUntil } from '../../examples/kv/verify.ts';
import { type Random, randomInteger, seededRandom } from '../../internal/random.ts';
import { garbage } from './garbage-frames.ts';
import { check, numbersOf, runCheck, say, withCluster } from './harness.ts';

const SETTLE_LIMIT_MS = 30_000;
const IN_PARALLEL = 32;
const WARM_UP_CONNECTIONS = 300;
/** Longest time a connection is kept open when the node does not close it. */
const LINGER_MS = 50;
const WRITE_INTERVAL_MS = 20;
const MIB = 2 ** 20;
/** What a heap may differ by without anything having leaked; 10,000 connections are far more. */
const TOLERATED_BYTES = 3 * MIB;
const SOCKETS = ['TCPSocketWrap', 'TCPServerWrap', 'PipeWrap'];

interface Measured {
  readonly heapUsed: number;
  readonly offHeap: number;
  readonly handles: number;
}

function numberOf(source: object, name: string): number {
  const value: unknown = Reflect.get(source, name);
  check(typeof value === 'number', `expected a number called ${name} from /debug/memory`);
  return value;
}

/** Asks on a connection of its own that is closed again, so that it is counted each time alike. */
async function measure(origin: string): Promise<Measured> {
  const response = await fetch(`${origin}/debug/memory`, { headers: { connection: 'close' } });
  const body: unknown = await response.json();
  check(response.ok && typeof body === 'object' && body !== null, `got ${response.status}`);
  const resources: unknown = Reflect.get(body, 'resources');
  check(typeof resources === 'object' && resources !== null, 'expected a count of resources');
  const handles = SOCKETS.filter((kind) => kind in resources);
  return {
    heapUsed: numberOf(body, 'heapUsed'),
    offHeap: numberOf(body, 'external'),
    handles: handles.reduce((sum, kind) => sum + numberOf(resources, kind), 0),
  };
}

/** One bad connection: sends, and hangs up in one way or another. */
async function disturb(port: number, random: Random): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  // Being cut off is what is expected here.
  socket.on('error', () => {});
  socket.resume();
  const bytes = garbage(random);
  if (random.next() < 0.2) {
    const at = randomInteger(random, 0, bytes.length);
    socket.write(bytes.subarray(0, at));
    await sleep(1);
    socket.write(bytes.subarray(at));
  } else {
    socket.write(bytes);
  }
  if (random.next() < 0.5) socket.end();
  const limit = setTimeout(() => socket.destroy(), LINGER_MS);
  await closed;
  clearTimeout(limit);
}

async function disturbOften(port: number, count: number, random: Random): Promise<void> {
  let left = count;
  const work = async () => {
    while (left > 0) {
      left -= 1;
      await disturb(port, random);
    }
  };
  await Promise.all(Array.from({ length: IN_PARALLEL }, work));
}

/** Writes and reads all the while; resolves with the number of rounds once `done`. */
async function useMeanwhile(origin: string, done: Promise<void>): Promise<number> {
  const client = new KvClient([origin], { connections: 1 });
  let isOver = false;
  const over = () => {
    isOver = true;
  };
  done.then(over, over);
  let rounds = 0;
  try {
    while (!isOver) {
      const value = String(rounds);
      await client.put('key', value);
      const found = await client.get('key');
      check(found === value, `expected ${value} for what was just written, got ${found}`);
      rounds += 1;
      await sleep(WRITE_INTERVAL_MS);
    }
  } finally {
    await client.close();
  }
  await done;
  return rounds;
}

/** Measures until everything is back where it was, or for a while. */
async function awaitRecovery(origin: string, before: Measured): Promise<Measured> {
  const startMs = performance.now();
  for (;;) {
    const now = await measure(origin);
    const isBack =
      now.handles <= before.handles &&
      now.heapUsed <= before.heapUsed + TOLERATED_BYTES &&
      now.offHeap <= before.offHeap + TOLERATED_BYTES;
    if (isBack || performance.now() - startMs > SETTLE_LIMIT_MS) return now;
    await sleep(200);
  }
}

function shown({ heapUsed, offHeap, handles }: Measured): string {
  const mib = (bytes: number) => (bytes / MIB).toFixed(1);
  return `heap ${mib(heapUsed)} MiB, off heap ${mib(offHeap)} MiB, ${handles} handles`;
}

async function play(cluster: Cluster, rounds: number, random: Random): Promise<string> {
  const [node] = cluster.nodes;
  check(node !== undefined, 'expected one node');
  const origin = cluster.url(node.id);
  cluster.start(node.id);
  const client = new KvClient([origin], { connections: 1 });
  try {
    const isLeading = ([status]: readonly NodeStatus[]) => status?.state === 'Leader';
    const { held } = await lookUntil(client, [origin], isLeading, SETTLE_LIMIT_MS);
    check(held, 'the node did not become leader');
    const { term } = await client.status(origin);
    await client.close();
    await useMeanwhile(origin, disturbOften(node.raftPort, WARM_UP_CONNECTIONS, random));
    const before = await measure(origin);
    say(`before: ${shown(before)}`);
    const served = await useMeanwhile(origin, disturbOften(node.raftPort, rounds, random));
    const after = await awaitRecovery(origin, before);
    say(`after:  ${shown(after)}`);
    check(served > 0, 'nothing was served meanwhile');
    check(after.handles <= before.handles, 'handles are still open');
    check(after.heapUsed <= before.heapUsed + TOLERATED_BYTES, 'the heap has grown');
    check(after.offHeap <= before.offHeap + TOLERATED_BYTES, 'memory off the heap has grown');
    const look = new KvClient([origin], { connections: 1 });
    const now = await look.status(origin);
    await look.close();
    check(now.state === 'Leader' && now.term === term, `lost its office: ${JSON.stringify(now)}`);
    return `${rounds} bad connections, ${served} writes and reads served meanwhile`;
  } finally {
    await client.close();
  }
}

await runCheck('garbage', async () => {
  const { rounds, seed } = numbersOf({ rounds: 10_000, seed: 1 });
  let summary = '';
  const setting = { nodes: 1, nodeArgs: ['--debug-endpoints'], execArgs: ['--expose-gc'] };
  await withCluster(setting, async (cluster) => {
    summary = await play(cluster, rounds, seededRandom(seed));
  });
  return `${summary}, seed ${seed}`;
});
