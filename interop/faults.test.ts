import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { type Random, randomInteger, seededRandom } from '../internal/random.ts';
import { Cluster } from './suite/cluster.ts';
import type { LinkProxy } from './suite/link-proxy.ts';
import { rounds } from './suite/long.ts';
import { type Kind, killPeers } from './suite/peer-process.ts';
import { Writers } from './suite/writers.ts';

let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.close();
  await killPeers();
});

const ROUNDS = rounds(20, 100);
const ROUNDS_BETWEEN_CHECKS = 5;
const WRITES_A_ROUND = 10;
const IDS = ['n1', 'n2', 'n3'];
const MIXES: Kind[][] = [
  ['go', 'ts', 'ts'],
  ['go', 'go', 'ts'],
];
/** Snapshots often, so that faults hit them as well. */
const CONFIG = { snapshotInterval: 400, snapshotThreshold: 100, trailingLogs: 50 };

/** The leader half of the time: a fault hurts most where it hits that one. */
async function pick(of: Cluster, random: Random): Promise<string> {
  const any = IDS[randomInteger(random, 0, IDS.length - 1)] ?? 'n1';
  return randomInteger(random, 0, 1) === 0 ? any : ((await of.leaderNow()) ?? any);
}

async function pickLink(of: Cluster, random: Random): Promise<LinkProxy[]> {
  const from = await pick(of, random);
  const others = IDS.filter((id) => id !== from);
  const to = others[randomInteger(random, 0, 1)] ?? from;
  return [of.link(from, to), of.link(to, from)];
}

const FAULTS: [string, (of: Cluster, random: Random) => Promise<void>][] = [
  [
    'kill -9 and restart',
    async (of, random) => {
      const id = await pick(of, random);
      await of.stop(id);
      await sleep(randomInteger(random, 0, 700));
      await of.start(id);
    },
  ],
  [
    'SIGSTOP for up to 3 s',
    async (of, random) => {
      const peer = of.peer(await pick(of, random));
      peer.signal('SIGSTOP');
      await sleep(randomInteger(random, 50, 3000));
      peer.signal('SIGCONT');
    },
  ],
  [
    'a cut link',
    async (of, random) => {
      const isAlone = randomInteger(random, 0, 1) === 0;
      const links = isAlone ? of.linksOf(await pick(of, random)) : await pickLink(of, random);
      const state = randomInteger(random, 0, 1) === 0 ? 'cut' : 'stalled';
      for (const link of links) link.set(state);
      await sleep(randomInteger(random, 50, 1500));
      for (const link of links) link.set('cut');
      for (const link of links) link.set('open');
    },
  ],
  [
    'a slow link',
    async (of, random) => {
      const links = await pickLink(of, random);
      for (const link of links) link.set('open', randomInteger(random, 5, 120));
      await sleep(randomInteger(random, 50, 1500));
      for (const link of links) link.set('open');
    },
  ],
];

describe.each(FAULTS)('%s', (name, fault) => {
  it(`${ROUNDS} rounds: one leader a term, nothing lost, equal hashes`, async () => {
    const seed = Math.floor(Math.random() * 2 ** 31) + 1;
    const random = seededRandom(seed);
    const kinds = MIXES[FAULTS.findIndex(([of]) => of === name) % 2] ?? [];
    const specs = IDS.map((id, at) => ({ id, kind: kinds[at] ?? 'ts', config: CONFIG }));
    const made = await Cluster.started(specs, true);
    cluster = made;
    await made.leader();
    made.watchTerms();
    const writers = new Writers(made);
    for (let round = 1; round <= ROUNDS; round += 1) {
      await writers.acknowledge(WRITES_A_ROUND);
      await fault(made, random);
      if (round % ROUNDS_BETWEEN_CHECKS === 0) await writers.acknowledge(WRITES_A_ROUND);
    }
    await writers.stop();
    await made.leader();
    await made.agreement();
    for (const id of IDS) await writers.check(id);
    made.checkOneLeaderATerm();
    expect(made.leaders.size).toBeGreaterThan(0);
    console.log(
      `${name}: ${ROUNDS} rounds, ${writers.acknowledged.size} writes kept, ` +
        `${made.leaders.size} terms seen, seed ${seed}`,
    );
  });
});
