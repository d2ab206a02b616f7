import type { Log } from '../../raft/log.ts';
import type { SnapshotMeta } from '../../raft/snapshot.ts';
import { newestFirst } from '../../snapshot/snapshot-name.ts';
import { decodeRecord, encodeLogs } from '../../store/entry-codec.ts';

/** A complete snapshot on a simulated disk. */
export interface StoredSnapshot {
  /** What is known of it. */
  readonly meta: SnapshotMeta;
  /** Its state. */
  readonly bytes: Uint8Array;
}

/** One atomic change of a disk: it happens as a whole or not at all. */
export type DiskWrite = StoreWrite | DeleteWrite | ReplaceWrite | KeysWrite | SnapshotWrite;

/** Entries are stored. */
export interface StoreWrite {
  /** Tells it from the others. */
  readonly kind: 'store';
  /** The entries. */
  readonly logs: readonly Log[];
}

/** Entries are deleted. */
export interface DeleteWrite {
  /** Tells it from the others. */
  readonly kind: 'delete';
  /** The first index that goes. */
  readonly min: number;
  /** The last index that goes. */
  readonly max: number;
}

/** A tail is replaced. */
export interface ReplaceWrite {
  /** Tells it from the others. */
  readonly kind: 'replace';
  /** The first index that goes. */
  readonly from: number;
  /** What comes in its place. */
  readonly logs: readonly Log[];
}

/** Stable keys are written. */
export interface KeysWrite {
  /** Tells it from the others. */
  readonly kind: 'keys';
  /** Their values, by key. */
  readonly writes: ReadonlyMap<string, Uint8Array | number>;
}

/** A snapshot becomes visible. */
export interface SnapshotWrite {
  /** Tells it from the others. */
  readonly kind: 'snapshot';
  /** The snapshot. */
  readonly snapshot: StoredSnapshot;
}

/** Snapshots that are kept; older ones are removed. */
export const RETAINED_SNAPSHOTS = 2;

/** What is on a disk at one level: as the process sees it, or as it would be after a power loss. */
export class DiskImage {
  readonly #log = new Map<number, Log>();
  readonly #keys = new Map<string, Uint8Array | number>();
  /** Records of which a bit has turned, by index. */
  readonly #rotten = new Map<number, Uint8Array>();
  #snapshots: readonly StoredSnapshot[] = [];
  #first = 0;
  #last = 0;

  /** First index of the log, 0 when it is empty. */
  get firstIndex(): number {
    return this.#first;
  }

  /** Last index of the log, 0 when it is empty. */
  get lastIndex(): number {
    return this.#last;
  }

  /** Complete snapshots, newest first. */
  get snapshots(): readonly StoredSnapshot[] {
    return this.#snapshots;
  }

  /** The newest snapshot's index, 0 when there is none. */
  get snapshotIndex(): number {
    return this.#snapshots[0]?.meta.index ?? 0;
  }

  /** Takes a snapshot out again. */
  withdraw(snapshot: StoredSnapshot): void {
    this.#snapshots = this.#snapshots.filter((other) => other !== snapshot);
  }

  /** The entry at `index`, if it is there. */
  entry(index: number): Log | undefined {
    return this.#log.get(index);
  }

  /** True when a bit of that entry has turned. */
  isRotten(index: number): boolean {
    return this.#rotten.has(index);
  }

  /** Turns a bit of the record of an entry. */
  rot(index: number, bit: number): void {
    const log = this.#log.get(index);
    const [pair] = log === undefined ? [] : encodeLogs([log]);
    if (pair === undefined) return;
    const at = bit % (pair.record.length * 8);
    pair.record[at >> 3] = (pair.record[at >> 3] ?? 0) ^ (1 << (at & 7));
    this.#rotten.set(index, pair.record);
  }

  /** What the store makes of an entry's record: it must find out when a bit has turned. */
  read(index: number): Log | undefined {
    const record = this.#rotten.get(index);
    return record === undefined ? this.#log.get(index) : decodeRecord(index, record);
  }

  /** The term of an index, from the log or from the newest snapshot's end. */
  termAt(index: number): number | undefined {
    const meta = this.#snapshots[0]?.meta;
    return this.#log.get(index)?.term ?? (meta?.index === index ? meta.term : undefined);
  }

  /** The bytes under a key, `null` when there are none. */
  bytes(key: string): Uint8Array | null {
    const value = this.#keys.get(key);
    return value instanceof Uint8Array ? value : null;
  }

  /** The number under a key, 0 when there is none. */
  number(key: string): number {
    const value = this.#keys.get(key);
    return typeof value === 'number' ? value : 0;
  }

  /** True when there is anything under a key. */
  has(key: string): boolean {
    return this.#keys.has(key);
  }

  /** A copy that later writes do not change. */
  clone(): DiskImage {
    const copy = new DiskImage();
    for (const [index, log] of this.#log) copy.#log.set(index, log);
    for (const [key, value] of this.#keys) copy.#keys.set(key, value);
    for (const [index, record] of this.#rotten) copy.#rotten.set(index, record);
    copy.#snapshots = this.#snapshots;
    copy.#first = this.#first;
    copy.#last = this.#last;
    return copy;
  }

  /** Performs one write. */
  apply(write: DiskWrite): void {
    switch (write.kind) {
      case 'store':
        this.#store(write.logs);
        break;
      case 'delete':
        this.#delete(write.min, write.max);
        break;
      case 'replace':
        this.#delete(write.from, Math.max(this.#last, write.from));
        this.#store(write.logs);
        break;
      case 'keys':
        for (const [key, value] of write.writes) this.#keys.set(key, value);
        break;
      case 'snapshot':
        this.#addSnapshot(write.snapshot);
        break;
    }
  }

  #store(logs: readonly Log[]): void {
    for (const log of logs) {
      this.#log.set(log.index, log);
      this.#rotten.delete(log.index);
      if (this.#first === 0 || log.index < this.#first) this.#first = log.index;
      if (log.index > this.#last) this.#last = log.index;
    }
  }

  #delete(min: number, max: number): void {
    for (let i = Math.max(min, this.#first); i <= Math.min(max, this.#last); i += 1) {
      this.#log.delete(i);
      this.#rotten.delete(i);
    }
    if (this.#log.size === 0) {
      this.#first = 0;
      this.#last = 0;
      return;
    }
    while (!this.#log.has(this.#first)) this.#first += 1;
    while (!this.#log.has(this.#last)) this.#last -= 1;
  }

  #addSnapshot(snapshot: StoredSnapshot): void {
    const all = [snapshot, ...this.#snapshots];
    all.sort((a, b) => newestFirst(a.meta, b.meta));
    this.#snapshots = all.slice(0, RETAINED_SNAPSHOTS);
  }
}
