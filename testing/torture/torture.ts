import { existsSync } from 'node:fs';
import { randomInteger, seededRandom } from '../../internal/random.ts';
import { Cluster, type NodeSpec } from '../../interop/suite/cluster.ts';
import { killPeers } from '../../interop/suite/peer-process.ts';
import { Clients } from './clients.ts';
import { faults } from './faults.ts';
import { judgeHistory, judgeLeaders, judgeStates, type StateView } from './verdict.ts';

const MINUTE_MS = 60_000;
const ASK_LIMIT_MS = 3000;
/** Snapshots often, so that faults hit them as well. */
const CONFIG = { snapshotInterval: 400, snapshotThreshold: 100, trailingLogs: 50 };
const VOTERS = ['n1', 'n2', 'n3', 'n4', 'n5'];

/** How to torture. */
export interface TortureOptions {
  readonly minutes: number;
  readonly seed: number;
  /** Names of faults. */
  readonly names: readonly string[];
  /** Whether one node is Go, where its peer is built. */
  readonly mayUseGo: boolean;
  /** Whether the data stay when something is wrong. */
  readonly keepsData: boolean;
  readonly say: (line: string) => void;
}

/** What was done. */
export interface TortureReport {
  readonly faults: number;
  readonly kinds: number;
  readonly answered: number;
  readonly unknown: number;
}

function specsOf(withGo: boolean): NodeSpec[] {
  const ours = [...VOTERS, 'spare'].map(
    (id): NodeSpec => ({ id, kind: 'ts', config: CONFIG, args: ['--faulty-disk'] }),
  );
  if (!withGo) return ours;
  return ours.map((spec) => (spec.id === 'n5' ? { id: 'n5', kind: 'go', config: CONFIG } : spec));
}

async function viewsOf(cluster: Cluster): Promise<StateView[]> {
  const views = await Promise.all(
    cluster.running().map(async (id): Promise<StateView | null> => {
      try {
        const peer = cluster.peer(id);
        const { index, count, hash, fold, size } = await peer.ask('fsm', {}, ASK_LIMIT_MS);
        return { id, index: Number(index), rest: JSON.stringify({ count, hash, fold, size }) };
      } catch {
        return null;
      }
    }),
  );
  return views.filter((view) => view !== null);
}

async function judge(cluster: Cluster, clients: Clients): Promise<void> {
  judgeHistory(clients.history());
  clients.forget();
  judgeLeaders(cluster.leaders);
  judgeStates(await viewsOf(cluster));
}

/** One fault after the other, and a verdict after each. */
async function play(cluster: Cluster, options: TortureOptions): Promise<TortureReport> {
  const { minutes, seed, names, say } = options;
  const order = seededRandom(seed);
  const clients = new Clients(cluster, seededRandom(seed + 1));
  const kinds = new Set<string>();
  let count = 0;
  // Every fault once in an order of the seed's, before any of them comes again.
  let waiting: string[] = [];
  const endMs = performance.now() + minutes * MINUTE_MS;
  while (performance.now() < endMs) {
    if (waiting.length === 0) waiting = [...names];
    const [name = ''] = waiting.splice(randomInteger(order, 0, waiting.length - 1), 1);
    say(`${new Date().toISOString().slice(11, 19)} ${name}`);
    kinds.add(name);
    count += 1;
    const random = seededRandom(seed + count * 1000);
    await faults[name]?.({ cluster, clients, random, note: (text) => say(`  ${text}`) });
    await clients.progress(20);
    await judge(cluster, clients);
  }
  await clients.stop();
  const agreed = cluster.agreement();
  // Why they do not agree says more than that they do not.
  await agreed.catch(() => {});
  await judge(cluster, clients);
  await agreed;
  return { faults: count, kinds: kinds.size, answered: clients.answered, unknown: clients.unknown };
}

/**
 * Tortures real processes, five nodes, one of them Go where its peer is built.
 *
 * @throws Violation when a rule of Raft is broken, Error when something else goes wrong
 */
export async function torture(options: TortureOptions): Promise<TortureReport> {
  const { minutes, seed, say } = options;
  const withGo = options.mayUseGo && existsSync('interop/go/bin/peer');
  say(`torture: seed ${seed}, ${minutes} min, ${withGo ? 'one node of five Go' : 'no Go'}`);
  const cluster = await Cluster.make(specsOf(withGo), true);
  let isGood = false;
  try {
    await Promise.all(VOTERS.map((id) => cluster.start(id)));
    await cluster.bootstrap();
    await cluster.leader();
    cluster.watchTerms();
    const report = await play(cluster, options);
    isGood = true;
    return report;
  } finally {
    const keeps = options.keepsData && !isGood;
    if (keeps) say(`the data stay in ${cluster.directory}; again: --seed ${seed}`);
    await cluster.close(keeps);
    await killPeers();
  }
}
