import { setTimeout as sleep } from 'node:timers/promises';
import { KvClient, type NodeStatus } from '../../examples/kv/client.ts';
import type { Cluster } from '../../examples/kv/cluster.ts';
import { agree, lookUntil, missingFrom } from '../../examples/kv/verify.ts';
import { seededRandom } from '../../internal/random.ts';
import { check, numbersOf, runCheck, say, withCluster } from './harness.ts';
import { Workload } from './workload.ts';

const PAUSE_MS = 5000;
const READ_INTERVAL_MS = 20;
const SETTLE_LIMIT_MS = 60_000;
/** Longer than the pause: the reads must wait for the old leader to wake up. */
const PATIENCE_MS = 30_000;
/** What is written while the leader is away; every one is acknowledged by its successor. */
const WRITES_MEANWHILE = 50;

/** What a linear read asked of the old leader came to. */
interface OldLeaderRead {
  readonly key: string;
  readonly answer: Promise<{ readonly statusCode: number; readonly text: string }>;
}

/** Everything the rounds share. */
interface Scene {
  readonly cluster: Cluster;
  readonly origins: readonly string[];
  readonly client: KvClient;
  readonly patient: KvClient;
  readonly workload: Workload;
}

async function leaderOf({ client, origins }: Scene): Promise<NodeStatus> {
  const isLed = (up: readonly NodeStatus[]) => up.some(({ state }) => state === 'Leader');
  const { statuses } = await lookUntil(client, origins, isLed, SETTLE_LIMIT_MS);
  const leader = statuses.find((status) => status?.state === 'Leader');
  check(leader !== null && leader !== undefined, 'nobody leads');
  return leader;
}

/** Asks the sleeping leader for what its successor has acknowledged, again and again. */
async function readFromSleeper(scene: Scene, origin: string, untilMs: number) {
  const reads: OldLeaderRead[] = [];
  while (performance.now() < untilMs) {
    const key = scene.workload.acknowledged.at(-1)?.key ?? '';
    const path = `/kv/${encodeURIComponent(key)}?consistency=linear`;
    const answer = scene.patient.ask(origin, 'GET', path);
    // It is looked at after the sleeper woke up; until then nobody handles its failure.
    answer.catch(() => {});
    reads.push({ key, answer });
    await sleep(READ_INTERVAL_MS);
  }
  return reads;
}

/** A key that was acknowledged before the question must not be missing in the answer. */
async function countAnswers(reads: readonly OldLeaderRead[]) {
  check(reads.length > 0, 'no read was sent to the old leader');
  const answers = { served: 0, sentAway: 0, dropped: 0 };
  for (const { key, answer } of reads) {
    let status: number;
    try {
      status = (await answer).statusCode;
    } catch {
      answers.dropped += 1;
      continue;
    }
    check(status !== 404, `stale linear read: ${key} was acknowledged, the old leader missed it`);
    check([200, 307, 503].includes(status), `expected 200, 307 or 503 for ${key}, got ${status}`);
    if (status === 200) answers.served += 1;
    else answers.sentAway += 1;
  }
  return answers;
}

async function pauseRound(scene: Scene, round: number): Promise<void> {
  const { cluster, client, workload } = scene;
  await workload.acknowledge(50);
  const old = await leaderOf(scene);
  const origin = cluster.url(old.id);
  const startMs = performance.now();
  cluster.signal(old.id, 'SIGSTOP');
  const readsBefore = workload.reads;
  const asking = readFromSleeper(scene, origin, startMs + PAUSE_MS);
  await workload.acknowledge(WRITES_MEANWHILE);
  const resumedMs = performance.now() - startMs;
  const reads = await asking;
  check(resumedMs < PAUSE_MS, 'the others did not go on while the leader was away');
  check(workload.reads > readsBefore, 'the others served no linear read');
  cluster.signal(old.id, 'SIGCONT');
  const { served, sentAway, dropped } = await countAnswers(reads);
  const steppedDown = ([status]: readonly NodeStatus[]) =>
    status !== undefined && status.state !== 'Leader' && status.term > old.term;
  const { held } = await lookUntil(client, [origin], steppedDown, SETTLE_LIMIT_MS);
  check(held, `${old.id} did not step down`);
  say(
    `round ${round}: ${old.id} away for ${PAUSE_MS} ms; ${WRITES_MEANWHILE} writes took ` +
      `${Math.round(resumedMs)} ms without it; its ${reads.length} waiting linear reads: ` +
      `${served} served right, ${sentAway} sent away, ${dropped} dropped; it follows again`,
  );
}

async function play(scene: Scene, rounds: number): Promise<void> {
  const { cluster, origins, client, workload } = scene;
  cluster.startAll();
  const joined = (up: readonly NodeStatus[]) => up.every(({ members }) => members === 3);
  const { held } = await lookUntil(client, origins, joined, SETTLE_LIMIT_MS);
  check(held, 'the three nodes did not find together');
  workload.start();
  for (let round = 1; round <= rounds; round += 1) await pauseRound(scene, round);
  await workload.pause();
  const settled = await lookUntil(client, origins, agree, SETTLE_LIMIT_MS);
  check(settled.held, 'the nodes do not agree');
  for (const origin of origins) {
    const missing = await missingFrom(client, origin, workload.acknowledged);
    check(missing.length === 0, `missing at ${origin}: ${missing.slice(0, 5).join()}`);
  }
}

await runCheck('SIGSTOP of the leader', async () => {
  const { rounds, seed } = numbersOf({ rounds: 3, seed: 1 });
  let summary = '';
  await withCluster({ nodes: 3 }, async (cluster) => {
    const origins = cluster.nodes.map(({ id }) => cluster.url(id));
    const client = new KvClient(origins, { connections: 16, answerLimitMs: 500 });
    const patient = new KvClient(origins, { connections: 1000, answerLimitMs: PATIENCE_MS });
    const workload = new Workload(client, seededRandom(seed));
    try {
      await play({ cluster, origins, client, patient, workload }, rounds);
      const { length } = workload.acknowledged;
      summary = `${rounds} rounds, ${length} acknowledged writes, ${workload.reads} linear reads`;
    } finally {
      await workload.stop();
      await Promise.all([client.close(), patient.close()]);
    }
  });
  return `${summary}, none stale`;
});
