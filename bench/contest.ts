import { Cluster } from '../interop/suite/cluster.ts';
import type { Line } from '../interop/suite/peer-process.ts';
import { waitFor } from '../interop/suite/wait.ts';
import type { Contender } from './contenders.ts';

/** hashicorp's defaults: the suite's own are shorter. */
const DEFAULT_TIMING = {
  heartbeatTimeout: 1000,
  electionTimeout: 1000,
  leaderLeaseTimeout: 500,
  commitTimeout: 50,
};
const KEEP_ALL = { trailingLogs: 2 ** 31, snapshotThreshold: 2 ** 31, snapshotInterval: 3_600_000 };
const NODE_NAMES = ['a', 'b', 'c', 'd', 'e'];
const FILLERS = 1024;
const FILL_SECONDS = 1;
const WAIT_MS = 600_000;

/** A number that a peer must have told. @throws Error when it has not */
export function numberIn(line: Line, field: string): number {
  const value = line[field];
  if (typeof value === 'number') return value;
  throw new Error(`expected a number called ${field} in ${JSON.stringify(line)}`);
}

/** Starts a cluster of one kind on empty disks; its logs stay whole unless `config` says. */
export function startCluster(
  { kind, store, config: own }: Contender,
  nodes: number,
  config: object = {},
): Promise<Cluster> {
  const snapshots = store === 'inmem' ? 'inmem' : 'file';
  const args = ['--store', store, '--snapshots', snapshots];
  const all = { ...DEFAULT_TIMING, ...KEEP_ALL, ...own, ...config };
  const specs = NODE_NAMES.slice(0, nodes).map((id) => ({ id, kind, args, config: all }));
  return Cluster.started(specs);
}

/** Writes raw commands of 256 B until the leader has applied at least `entries`. */
export async function fill(cluster: Cluster, leader: string, entries: number): Promise<void> {
  const load = { mode: 'write', size: 256, concurrency: FILLERS, warmup: 0, seconds: FILL_SECONDS };
  for (;;) {
    if (numberIn(await cluster.ask(leader, 'fsm'), 'count') >= entries) return;
    await cluster.ask(leader, 'bench', load);
  }
}

/** Waits until a node has applied all that another one has. */
export async function caughtUp(cluster: Cluster, id: string, leader: string): Promise<void> {
  const wanted = numberIn(await cluster.ask(leader, 'state'), 'appliedIndex');
  const look = async () => numberIn(await cluster.ask(id, 'state'), 'appliedIndex') >= wanted;
  await waitFor(`${id} to catch up`, look, WAIT_MS);
}
