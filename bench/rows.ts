import type { ContenderName } from './contenders.ts';

/** Closed-loop clients in the leader's process. */
export interface LoadRow {
  readonly kind: 'load';
  readonly mode: 'write' | 'read';
  readonly clients: number;
  readonly bytes: number;
  readonly nodes: number;
}

/** From `kill -9` of the leader to the first commit of another one. */
export interface FailoverRow {
  readonly kind: 'failover';
  readonly timeoutMs: number;
  readonly kills: number;
}

/** A follower has lost its disk, and gets `entries` again. */
export interface CatchUpRow {
  readonly kind: 'catchUp';
  readonly entries: number;
}

/** All nodes start again on a log of `entries`. */
export interface RestartRow {
  readonly kind: 'restart';
  readonly entries: number;
}

/** A follower gets a snapshot of this size. */
export interface InstallRow {
  readonly kind: 'install';
  readonly bytes: number;
}

/** Nothing is asked of the nodes. */
export interface IdleRow {
  readonly kind: 'idle';
}

/** What is measured, and whose medians are compared: ours comes first. */
export type Row = (LoadRow | FailoverRow | CatchUpRow | RestartRow | InstallRow | IdleRow) & {
  readonly name: string;
  readonly contenders: readonly ContenderName[];
  /** What the ratio of ours to another one's is meant to be; see `better`. */
  readonly aims?: Readonly<Partial<Record<ContenderName, number>>>;
};

type Aims = Row['aims'];

const DURABLE = ['ours', 'oursBest', 'wal', 'walBest', 'bolt'] as const;
const IN_MEMORY = ['oursInMemory', 'goInMemory'] as const;
const WRITERS = [1, 16, 64, 256, 1024];

function load(
  mode: LoadRow['mode'],
  clients: number,
  bytes: number,
  contenders: readonly ContenderName[],
  aims: Aims = {},
  nodes = 3,
): Row {
  const what = mode === 'write' ? `writes of ${bytes} B` : 'linear reads';
  const where = contenders === IN_MEMORY ? ' in memory' : '';
  const name = `${clients} × ${what}${where}, ${nodes} ${nodes === 1 ? 'node' : 'nodes'}`;
  return { kind: 'load', mode, clients, bytes, nodes, name, contenders, aims };
}

/** Every row of the table in docs/performance.md. */
export function allRows(): Row[] {
  const pair = ['ours', 'wal'] as const;
  const aims: Record<number, Aims> = {
    1: { bolt: 1.5, wal: 0.8 },
    64: { wal: 1.5 },
    1024: { wal: 4, walBest: 2 },
  };
  const memoryAims: Record<number, number> = { 1: 1, 64: 4, 1024: 5 };
  const rows = WRITERS.map((n) => load('write', n, 256, DURABLE, aims[n]));
  for (const [n, goInMemory] of Object.entries(memoryAims)) {
    rows.push(load('write', Number(n), 256, IN_MEMORY, { goInMemory }));
  }
  for (const bytes of [16, 4096, 65_536]) {
    for (const clients of WRITERS) {
      const aim = bytes === 65_536 && clients === 64 ? { wal: 1 } : {};
      rows.push(load('write', clients, bytes, pair, aim));
    }
  }
  for (const nodes of [1, 5]) rows.push(load('write', 64, 256, pair, {}, nodes));
  rows.push({
    ...load('write', 256, 256, ['oursLong', 'oursShort'], { oursShort: 0.9 }),
    name: '256 × writes of 256 B, 3 nodes, a long log',
  });
  rows.push(load('read', 64, 256, pair, { wal: 2 }));
  for (const timeoutMs of [1000, 200]) {
    const name = `failover, timeouts of ${timeoutMs} ms`;
    rows.push({ kind: 'failover', timeoutMs, kills: 50, name, contenders: pair, aims: { wal: 1 } });
  }
  const entries = 1_000_000;
  const lag = 'catch-up of a follower, 1,000,000 entries';
  rows.push({ kind: 'catchUp', entries, name: lag, contenders: pair, aims: { wal: 2 } });
  const restart = 'restart on 1,000,000 entries';
  rows.push({ kind: 'restart', entries, name: restart, contenders: pair });
  const install = 'install of a snapshot of 1 GiB';
  const bytes = 2 ** 30;
  rows.push({ kind: 'install', bytes, name: install, contenders: pair, aims: { wal: 1 } });
  rows.push({ kind: 'idle', name: 'memory of an idle node', contenders: pair });
  return rows;
}

/** The same kinds of rows, so small that all of them take less than a minute. */
export function quickRows(): Row[] {
  const contenders = ['ours', 'wal'] as const;
  return [
    load('write', 64, 256, contenders),
    load('write', 64, 256, IN_MEMORY),
    load('read', 16, 256, contenders),
    { kind: 'failover', timeoutMs: 200, kills: 1, name: 'failover', contenders },
    { kind: 'catchUp', entries: 2000, name: 'catch-up of 2,000 entries', contenders },
    { kind: 'restart', entries: 2000, name: 'restart on 2,000 entries', contenders },
    { kind: 'install', bytes: 2 ** 24, name: 'install of 16 MiB', contenders },
  ];
}
