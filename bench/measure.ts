import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from '../interop/suite/cluster.ts';
import type { Contender } from './contenders.ts';
import { caughtUp, fill, numberIn, startCluster } from './contest.ts';
import { costOf } from './process-cost.ts';
import type { CatchUpRow, FailoverRow, InstallRow, LoadRow, RestartRow, Row } from './rows.ts';

/** What one round came to. `value` is what medians and ratios are made of. */
export interface Sample {
  /** Operations a second of a load, milliseconds of everything else. */
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
  close(): Promise<void>;
}

const ASK_AGAIN_MS = 2;
const LONG_MS = 900_000;

function pidsOf(cluster: Cluster, leader: string): number[] {
  const others = cluster.running().filter((id) => id !== leader);
  return [leader, ...others].map((id) => cluster.peer(id).pid);
}

async function loadRunner(row: LoadRow, contender: Contender, length: Length): Promise<Runner> {
  const cluster = await startCluster(contender, row.nodes);
  const { mode, clients, bytes } = row;
  const ask = { mode, concurrency: clients, size: bytes };
  await cluster.leader();
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
    async close() {
      await cluster.agreement();
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
    close: () => cluster.close(),
  };
}

async function catchUp({ entries }: CatchUpRow, contender: Contender): Promise<Sample> {
  const cluster = await startCluster(contender, 3);
  try {
    const leader = await cluster.leader();
    const behind = cluster.running().find((id) => id !== leader) ?? '';
    await cluster.stop(behind, 'shutdown');
    await fill(cluster, leader, entries);
    await cluster.start(behind);
    const startMs = performance.now();
    await caughtUp(cluster, behind, leader);
    return { value: performance.now() - startMs };
  } finally {
    await cluster.close();
  }
}

async function restart({ entries }: RestartRow, contender: Contender): Promise<Sample> {
  const cluster = await startCluster(contender, 3);
  try {
    const leader = await cluster.leader();
    await fill(cluster, leader, entries);
    await cluster.agreement();
    const ids = cluster.running();
    await Promise.all(ids.map((id) => cluster.stop(id, 'shutdown')));
    const startMs = performance.now();
    await Promise.all(ids.map((id) => cluster.start(id)));
    const next = await cluster.leader();
    await Promise.all(ids.map((id) => caughtUp(cluster, id, next)));
    return { value: performance.now() - startMs };
  } finally {
    await cluster.close();
  }
}

async function install({ bytes }: InstallRow, contender: Contender): Promise<Sample> {
  const cluster = await startCluster(contender, 3, { trailingLogs: 0 });
  try {
    const leader = await cluster.leader();
    const behind = cluster.running().find((id) => id !== leader) ?? '';
    await cluster.stop(behind, 'shutdown');
    await cluster.ask(leader, 'apply', { cmd: { op: 'bulk', bytes } });
    await cluster.peer(leader).ask('snapshot', {}, LONG_MS);
    await cluster.start(behind);
    const startMs = performance.now();
    await caughtUp(cluster, behind, leader);
    const value = performance.now() - startMs;
    const costs = await Promise.all(pidsOf(cluster, leader).map(costOf));
    return { value, peakBytes: costs.map(({ peakBytes }) => peakBytes) };
  } finally {
    await cluster.close();
  }
}

/** Each round on new disks. */
function anew(measure: () => Promise<Sample>): Runner {
  return { round: measure, close: async () => {} };
}

/** Makes somebody ready to take part in a row. */
export async function newRunner(row: Row, who: Contender, length: Length): Promise<Runner> {
  switch (row.kind) {
    case 'load':
      return loadRunner(row, who, length);
    case 'failover':
      return failoverRunner(row, who);
    case 'catchUp':
      return anew(() => catchUp(row, who));
    case 'restart':
      return anew(() => restart(row, who));
    case 'install':
      return anew(() => install(row, who));
    default:
      return row satisfies never;
  }
}
