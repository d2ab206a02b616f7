import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from '../interop/suite/cluster.ts';
import type { Contender } from './contenders.ts';
import { caughtUp, fill, numberIn, startCluster } from './contest.ts';
import { costOf } from './process-cost.ts';
import type { CatchUpRow, FailoverRow, InstallRow, LoadRow, RestartRow, Row } from './rows.ts';

/** What one round came to. `value` is what medians and ratios are made of. */
export interface Sample {
  /** Operations a second of a load, MiB of the leader when idle, else milliseconds. */
  readonly value: number;
  readonly p50Ms?: number;
  readonly p99Ms?: number;
  /** Of each node: the leader first. */
  readonly cpuSeconds?: readonly number[];
  readonly peakBytes?: readonly number[];
}

/** How long the rounds of a load are. */
export interface Length {
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

/** Somebody who takes part in a row, and can be asked for one round after the other. */
export interface Runner {
  round(): Promise<Sample>;
  /** The ends of what its nodes have logged. */
  logs(): string;
  close(): Promise<void>;
}

const ASK_AGAIN_MS = 2;
const LONG_MS = 900_000;
const IDLE_MS = 3000;
const MIB = 2 ** 20;
const LOG_LINES = 8;

function pidsOf(cluster: Cluster, leader: string): number[] {
  const others = cluster.running().filter((id) => id !== leader);
  return [leader, ...others].map((id) => cluster.peer(id).pid);
}

/** What a runner does with its cluster beside the rounds. */
function besideRounds(cluster: Cluster): Pick<Runner, 'logs' | 'close'> {
  const logOf = (id: string) => cluster.peer(id).log.trimEnd().split('\n').slice(-LOG_LINES);
  return {
    logs: () => cluster.running().flatMap(logOf).join('\n'),
    close: () => cluster.close(),
  };
}

/** A cluster for the rounds of a row; it is closed when it cannot be made ready for them. */
async function readied(
  contender: Contender,
  nodes: number,
  config: object,
  prepare: (cluster: Cluster, leader: string) => Promise<unknown>,
): Promise<Cluster> {
  const cluster = await startCluster(contender, nodes, config);
  try {
    await prepare(cluster, await cluster.leader());
    return cluster;
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

async function loadRunner(row: LoadRow, contender: Contender, length: Length): Promise<Runner> {
  const { mode, clients, bytes, nodes } = row;
  const ask = { mode, concurrency: clients, size: bytes };
  const cluster = await readied(contender, nodes, {}, (made, leader) =>
    fill(made, leader, contender.entries ?? 0),
  );
  return {
    async round() {
      const leader = await cluster.leader();
      await cluster.ask(leader, 'bench', { ...ask, warmup: length.warmUpSeconds, seconds: 0.001 });
      const pids = pidsOf(cluster, leader);
      const before = await Promise.all(pids.map(costOf));
      const result = await cluster.ask(leader, 'bench', {
        ...ask,
        warmup: 0,
        seconds: length.seconds,
      });
      const after = await Promise.all(pids.map(costOf));
      return {
        value: numberIn(result, 'ops') / numberIn(result, 'seconds'),
        p50Ms: numberIn(result, 'p50'),
        p99Ms: numberIn(result, 'p99'),
        cpuSeconds: after.map(({ cpuSeconds }, i) => cpuSeconds - (before[i]?.cpuSeconds ?? 0)),
        peakBytes: after.map(({ peakBytes }) => peakBytes),
      };
    },
    ...besideRounds(cluster),
    async close() {
      // A follower of Go that fell behind comes back by 64 entries in a commit timeout: after a
      // load in memory that can take minutes.
      if (contender.kind === 'ts') await cluster.agreement();
      await cluster.close();
    },
  };
}

/** Proposes at all nodes until one of them commits. */
async function firstCommit(cluster: Cluster): Promise<void> {
  const cmd = { op: 'set', key: 'failover', value: 'x' };
  let isDone = false;
  const propose = async (id: string) => {
    while (!isDone) {
      try {
        await cluster.peer(id).ask('apply', { cmd }, LONG_MS);
        isDone = true;
      } catch {
        await sleep(ASK_AGAIN_MS);
      }
    }
  };
  await Promise.all(cluster.running().map(propose));
}

async function failoverRunner({ timeoutMs }: FailoverRow, contender: Contender): Promise<Runner> {
  const cluster = await startCluster(contender, 3, {
    heartbeatTimeout: timeoutMs,
    electionTimeout: timeoutMs,
    leaderLeaseTimeout: timeoutMs / 2,
  });
  return {
    async round() {
      const leader = await cluster.leader();
      await cluster.agreement();
      const startMs = performance.now();
      await cluster.stop(leader);
      await firstCommit(cluster);
      const value = performance.now() - startMs;
      await cluster.start(leader);
      return { value };
    },
    ...besideRounds(cluster),
  };
}

function otherThan(cluster: Cluster, leader: string): string {
  const other = cluster.running().find((id) => id !== leader);
  if (other === undefined) throw new Error(`no node runs beside the leader ${leader}`);
  return other;
}

/** Until a follower whose disk is lost has everything again. */
async function timeToRefill(cluster: Cluster): Promise<number> {
  const leader = await cluster.leader();
  const follower = otherThan(cluster, leader);
  await cluster.stop(follower);
  cluster.replace(follower, cluster.node(follower).spec.kind);
  await cluster.start(follower);
  const startMs = performance.now();
  await caughtUp(cluster, follower, leader);
  return performance.now() - startMs;
}

async function catchUpRunner({ entries }: CatchUpRow, contender: Contender): Promise<Runner> {
  const cluster = await readied(contender, 3, {}, (made, leader) => fill(made, leader, entries));
  return {
    async round() {
      await cluster.agreement();
      return { value: await timeToRefill(cluster) };
    },
    ...besideRounds(cluster),
  };
}

async function restartRunner({ entries }: RestartRow, contender: Contender): Promise<Runner> {
  const cluster = await readied(contender, 3, {}, (made, leader) => fill(made, leader, entries));
  return {
    async round() {
      await cluster.agreement();
      const ids = cluster.running();
      await Promise.all(ids.map((id) => cluster.stop(id, 'shutdown')));
      const startMs = performance.now();
      await Promise.all(ids.map((id) => cluster.start(id)));
      const next = await cluster.leader();
      await Promise.all(ids.map((id) => caughtUp(cluster, id, next)));
      return { value: performance.now() - startMs };
    },
    ...besideRounds(cluster),
  };
}

async function installRunner({ bytes }: InstallRow, contender: Contender): Promise<Runner> {
  const cluster = await readied(contender, 3, { trailingLogs: 0 }, async (made, leader) => {
    await made.ask(leader, 'apply', { cmd: { op: 'bulk', bytes } });
    await made.peer(leader).ask('snapshot', {}, LONG_MS);
  });
  return {
    async round() {
      const value = await timeToRefill(cluster);
      const costs = await Promise.all(pidsOf(cluster, await cluster.leader()).map(costOf));
      return { value, peakBytes: costs.map(({ peakBytes }) => peakBytes) };
    },
    ...besideRounds(cluster),
  };
}

/** What a node holds in memory while nothing is asked of it. */
async function idle(contender: Contender): Promise<Sample> {
  const cluster = await startCluster(contender, 3);
  try {
    const leader = await cluster.leader();
    await sleep(IDLE_MS);
    const pids = pidsOf(cluster, leader);
    const before = await Promise.all(pids.map(costOf));
    await sleep(IDLE_MS);
    const after = await Promise.all(pids.map(costOf));
    return {
      value: (after[0]?.rssBytes ?? Number.NaN) / MIB,
      cpuSeconds: after.map(({ cpuSeconds }, i) => cpuSeconds - (before[i]?.cpuSeconds ?? 0)),
      peakBytes: after.map(({ peakBytes }) => peakBytes),
    };
  } finally {
    await cluster.close();
  }
}

/** Makes somebody ready to take part in a row. */
export async function newRunner(row: Row, who: Contender, length: Length): Promise<Runner> {
  switch (row.kind) {
    case 'load':
      return loadRunner(row, who, length);
    case 'failover':
      return failoverRunner(row, who);
    case 'catchUp':
      return catchUpRunner(row, who);
    case 'restart':
      return restartRunner(row, who);
    case 'install':
      return installRunner(row, who);
    case 'idle':
      return { round: () => idle(who), logs: () => '', close: async () => {} };
    default:
      return row satisfies never;
  }
}
