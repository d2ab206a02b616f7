/**
 * Tortures real processes: `npm run torture -- --minutes N [--seed N] [--only FAULT]`. Five nodes,
 * one of them Go where its peer is built; one fault after the other, while clients write and read.
 * In the end all nodes must agree, no term may have had two leaders, and what the clients saw must
 * be linearizable.
 */
import { existsSync } from 'node:fs';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { randomInteger, seededRandom } from '../../internal/random.ts';
import { Cluster, type NodeSpec } from '../../interop/suite/cluster.ts';
import { killPeers } from '../../interop/suite/peer-process.ts';
import { asError } from '../../raft/errors.ts';
import { checkLinearizable, keyValueModel } from '../check/index.ts';
import { Clients } from './clients.ts';
import { faults } from './faults.ts';

const MINUTE_MS = 60_000;
/** Snapshots often, so that faults hit them as well. */
const CONFIG = { snapshotInterval: 400, snapshotThreshold: 100, trailingLogs: 50 };

function specsOf(withGo: boolean): NodeSpec[] {
  const ours = ['n1', 'n2', 'n3', 'n4', 'n5', 'spare'].map(
    (id): NodeSpec => ({ id, kind: 'ts', config: CONFIG, args: ['--faulty-disk'] }),
  );
  if (!withGo) return ours;
  return ours.map((spec) => (spec.id === 'n5' ? { id: 'n5', kind: 'go', config: CONFIG } : spec));
}

async function torture(minutes: number, seed: number, only: string): Promise<void> {
  const random = seededRandom(seed);
  const withGo = existsSync('interop/go/bin/peer');
  const names = Object.keys(faults).filter((name) => name.includes(only));
  if (names.length === 0) throw new Error(`no fault is called "${only}"`);
  console.log(`torture: seed ${seed}, ${minutes} min, ${withGo ? 'one node of five Go' : 'no Go'}`);
  const cluster = await Cluster.make(specsOf(withGo), true);
  const counts = new Map<string, number>();
  let isGood = false;
  try {
    const ids = ['n1', 'n2', 'n3', 'n4', 'n5'];
    await Promise.all(ids.map((id) => cluster.start(id)));
    await cluster.bootstrap();
    await cluster.leader();
    cluster.watchTerms();
    const clients = new Clients(cluster, random);
    const note = (text: string) => console.log(`  ${text}`);
    const endMs = performance.now() + minutes * MINUTE_MS;
    // Every fault once in an order of the seed's, before any of them comes again.
    let waiting: string[] = [];
    while (performance.now() < endMs) {
      if (waiting.length === 0) waiting = [...names];
      const [name = ''] = waiting.splice(randomInteger(random, 0, waiting.length - 1), 1);
      console.log(`${new Date().toISOString().slice(11, 19)} ${name}`);
      counts.set(name, (counts.get(name) ?? 0) + 1);
      await faults[name]?.({ cluster, clients, random, note });
      await clients.progress(20);
    }
    await clients.stop();
    await cluster.agreement();
    cluster.checkOneLeaderATerm();
    const { verdict, message } = checkLinearizable(clients.history, keyValueModel);
    if (verdict !== 'linearizable') throw new Error(`the history is ${verdict}: ${message}`);
    const unknown = clients.history.filter(({ answer }) => answer === null).length;
    const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
    console.log(
      `ok: ${total} faults of ${counts.size} kinds, ${clients.answered} operations answered, ` +
        `${unknown} of unknown outcome, linearizable`,
    );
    isGood = true;
  } finally {
    if (!isGood) console.log(`the data stay in ${cluster.directory}; again: --seed ${seed}`);
    await cluster.close(!isGood);
    await killPeers();
  }
}

const text = { type: 'string' } as const;
try {
  const { values } = parseArgs({ options: { minutes: text, seed: text, only: text } });
  const minutes = Number(values.minutes ?? 1);
  const seed = Number(values.seed ?? Date.now() % 1_000_000);
  if (!(minutes > 0) || !Number.isSafeInteger(seed)) {
    throw new Error('expected --minutes above 0 and a whole number for --seed');
  }
  await torture(minutes, seed, values.only ?? '');
  process.exit(0);
} catch (error) {
  console.error(`FAILED: ${asError(error).message}`);
  process.exit(1);
}
