import { setTimeout as sleep } from 'node:timers/promises';
import { KvClient } from '../../examples/kv/client.ts';
import type { Cluster } from '../../examples/kv/cluster.ts';
import { agree, lookUntil, missingFrom } from '../../examples/kv/verify.ts';
import { type Random, randomInteger, seededRandom } from '../../internal/random.ts';
import { check, numbersOf, runCheck, say, withCluster } from './harness.ts';
import { Workload } from './workload.ts';

const SETTLE_LIMIT_MS = 60_000;
/** Snapshots often, so that kills hit them as well. */
const NODE_ARGS = [
  ...['--snapshot-interval', '300', '--snapshot-threshold', '50', '--trailing-logs', '20'],
];

/** One node most of the time, two or all three now and then. */
function chooseVictims(cluster: Cluster, random: Random): string[] {
  const dice = random.next();
  const count = dice < 0.5 ? 1 : dice < 0.75 ? 2 : 3;
  const ids = cluster.nodes.map(({ id }) => id);
  const from = randomInteger(random, 0, ids.length - 1);
  return [...ids.slice(from), ...ids.slice(0, from)].slice(0, count);
}

async function awaitAgreement(cluster: Cluster, client: KvClient): Promise<void> {
  const origins = cluster.nodes.map(({ id }) => cluster.url(id));
  const { statuses, held } = await lookUntil(client, origins, agree, SETTLE_LIMIT_MS);
  const seen = statuses.map((status) =>
    status === null ? 'no answer' : `${status.appliedIndex}/${status.records}/${status.hash}`,
  );
  check(held, `the nodes do not agree (applied/records/hash): ${seen.join(', ')}`);
}

async function checkNothingMissing(
  cluster: Cluster,
  client: KvClient,
  workload: Workload,
  random: Random,
): Promise<void> {
  await workload.pause();
  await awaitAgreement(cluster, client);
  // They agree, so one of them speaks for all.
  const { id } = cluster.nodes[randomInteger(random, 0, cluster.nodes.length - 1)] ?? { id: 'a' };
  const missing = await missingFrom(client, cluster.url(id), workload.acknowledged);
  check(missing.length === 0, `acknowledged and missing on ${id}: ${missing.slice(0, 5).join()}`);
  workload.resume();
}

async function killRound(cluster: Cluster, workload: Workload, random: Random): Promise<string> {
  await workload.acknowledge(randomInteger(random, 1, 300));
  await sleep(randomInteger(random, 0, 20));
  const victims = chooseVictims(cluster, random);
  await Promise.all(victims.map((id) => cluster.kill(id, 'SIGKILL')));
  await sleep(randomInteger(random, 0, 1500));
  for (const id of victims) cluster.start(id);
  return victims.join('');
}

await runCheck('kill -9', async () => {
  const { rounds, seed } = numbersOf({ rounds: 50, seed: Math.floor(Math.random() * 2 ** 31) + 1 });
  const random = seededRandom(seed);
  let summary = '';
  await withCluster({ nodes: 3, nodeArgs: NODE_ARGS }, async (cluster) => {
    cluster.startAll();
    const origins = cluster.nodes.map(({ id }) => cluster.url(id));
    const client = new KvClient(origins, { connections: 16 });
    const workload = new Workload(client, random);
    try {
      const joined = ([first]: readonly { readonly members: number }[]) => first?.members === 3;
      const { held } = await lookUntil(client, origins, joined, SETTLE_LIMIT_MS);
      check(held, 'the three nodes did not find together');
      workload.start();
      for (let round = 1; round <= rounds; round += 1) {
        const victims = await killRound(cluster, workload, random);
        await checkNothingMissing(cluster, client, workload, random);
        const count = workload.acknowledged.length;
        say(
          `round ${round} of ${rounds}: killed ${victims}; ${count} writes acknowledged, all there`,
        );
      }
      const { length } = workload.acknowledged;
      summary = `${rounds} rounds, ${length} acknowledged writes, ${workload.reads} linear reads`;
    } finally {
      await workload.stop();
      await client.close();
    }
  });
  return `${summary}, seed ${seed}`;
});
