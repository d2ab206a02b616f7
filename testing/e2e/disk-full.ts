import { readFile } from 'node:fs/promises';
import { KvClient, type NodeStatus } from '../../examples/kv/client.ts';
import type { KvRecord } from '../../examples/kv/load.ts';
import { lookUntil, missingFrom } from '../../examples/kv/verify.ts';
import { check, numbersOf, runCheck, say, withCluster } from './harness.ts';

const SETTLE_LIMIT_MS = 30_000;
const VALUE_BYTES = 4000;
const WRITERS = 8;
const SMALL_MAP = ['--map-size', String(2 ** 20)];
const LARGE_MAP = ['--map-size', String(2 ** 28)];

const isLeading = ([status]: readonly NodeStatus[]) => status?.state === 'Leader';

/** Writes until the node answers no more; gives back what it acknowledged. */
async function fill(client: KvClient, origin: string, most: number): Promise<KvRecord[]> {
  const acknowledged: KvRecord[] = [];
  let next = 0;
  let isFull = false;
  const write = async () => {
    while (!isFull && next < most) {
      const key = `key-${next}`;
      next += 1;
      const text = key.padEnd(VALUE_BYTES, '.');
      try {
        const { statusCode } = await client.ask(origin, 'PUT', `/kv/${key}`, text);
        if (statusCode === 200) acknowledged.push({ key, value: Buffer.from(text) });
        else isFull = true;
      } catch {
        isFull = true;
      }
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, write));
  check(isFull, `expected the disk to be full after at most ${most} writes of ${VALUE_BYTES} B`);
  return acknowledged;
}

await runCheck('full disk', async () => {
  const { writes } = numbersOf({ writes: 10_000 });
  let summary = '';
  await withCluster({ nodes: 1 }, async (cluster) => {
    const origin = cluster.url('a');
    const client = new KvClient([origin], { connections: WRITERS });
    try {
      cluster.start('a', SMALL_MAP);
      const ended = cluster.exited('a');
      const started = await lookUntil(client, [origin], isLeading, SETTLE_LIMIT_MS);
      check(started.held, 'the node did not become leader');
      const acknowledged = await fill(client, origin, writes);
      check(acknowledged.length > 0, 'nothing was acknowledged before the disk was full');
      const code = await ended;
      check(code === 1, `expected the node to end with code 1, got ${code}`);
      const log = await readFile(cluster.logFile('a'), 'utf8');
      const reason = log.split('\n').find((line) => line.includes('the node stopped'));
      check(/full/i.test(reason ?? ''), `expected the log to say what is full, got: ${reason}`);
      say(`full after ${acknowledged.length} acknowledged writes: ${reason}`);
      cluster.start('a', LARGE_MAP);
      const restarted = await lookUntil(client, [origin], isLeading, SETTLE_LIMIT_MS);
      check(restarted.held, 'the node did not come back with a larger map');
      // A new leader still applies its log; a write that it acknowledges comes after all of it.
      await client.put('more', 'room');
      const missing = await missingFrom(client, origin, acknowledged);
      check(missing.length === 0, `acknowledged and missing: ${missing.slice(0, 5).join()}`);
      summary = `${acknowledged.length} acknowledged writes, all there after the restart`;
    } finally {
      await client.close();
    }
  });
  return summary;
});
