import type { Kind } from '../interop/suite/peer-process.ts';

/** A kind of node with a kind of store and settings. */
export interface Contender {
  readonly name: string;
  readonly kind: Kind;
  readonly store: string;
  readonly config: object;
  /** Entries that its log holds before anything is measured. */
  readonly entries?: number;
}

/** The documented settings for throughput. */
const BEST = { maxAppendEntries: 1024, batchApplyCh: true };

const all = {
  ours: { name: 'quorate, LMDB', kind: 'ts', store: 'lmdb', config: {} },
  oursBest: { name: 'quorate, LMDB, best', kind: 'ts', store: 'lmdb', config: BEST },
  oursLong: {
    name: 'quorate, LMDB, 10 million entries in the log',
    kind: 'ts',
    store: 'lmdb',
    config: BEST,
    entries: 10_000_000,
  },
  oursShort: {
    name: 'quorate, LMDB, 100 thousand entries in the log',
    kind: 'ts',
    store: 'lmdb',
    config: BEST,
    entries: 100_000,
  },
  oursInMemory: { name: 'quorate, in memory', kind: 'ts', store: 'inmem', config: {} },
  wal: { name: 'Go, raft-wal', kind: 'go', store: 'wal', config: {} },
  walBest: { name: 'Go, raft-wal, best', kind: 'go', store: 'wal', config: BEST },
  bolt: { name: 'Go, BoltDB', kind: 'go', store: 'boltdb', config: {} },
  goInMemory: { name: 'Go, in memory', kind: 'go', store: 'inmem', config: {} },
} as const satisfies Record<string, Contender>;

/** What a row names its contenders by. */
export type ContenderName = keyof typeof all;

export const contenders: Readonly<Record<ContenderName, Contender>> = all;
