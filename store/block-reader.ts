import { corrupt, decodeUint64, encodeUint64 } from './entry-codec.ts';
import { type BinaryDatabase, readBinary, readError } from './lmdb-errors.ts';
import { type Block, readBlock } from './log-blocks.ts';
import type { Records } from './records.ts';

/** Blocks that were read last and are kept: readers go on where they were. */
const KEPT_BLOCKS = 8;

/** Indexes from `min` to `max`, both included; a `max` of Infinity is the end of the log. */
export interface Span {
  readonly min: number;
  readonly max: number;
}

/** Part of the log: from `start` (included) to `end` (excluded), or down from `start`. */
export interface IndexRange {
  readonly start?: number;
  readonly end?: number;
  readonly reverse?: boolean;
  readonly limit?: number;
}

/** What a transaction touches of what is stored. */
export interface Touched {
  readonly removed: readonly number[];
  readonly old: readonly Records[];
}

/** Finds entries in the blocks of a log that lies in LMDB, and the blocks that a change touches. */
export class BlockReader {
  readonly #logs: BinaryDatabase;
  readonly #path: string;
  /** Blocks that were read; a block never changes, another one takes its place. */
  readonly #kept: Records[] = [];

  /** @param path of the store, for errors */
  constructor(logs: BinaryDatabase, path: string) {
    this.#logs = logs;
    this.#path = path;
  }

  /** Blocks have been taken out: what was read before may be of one of them. */
  forget(): void {
    this.#kept.length = 0;
  }

  /** A copy of the record of the log at `index` that no later call changes. */
  find(index: number): Uint8Array | undefined {
    for (const records of this.#kept) {
      const record = records.find(index);
      if (record !== undefined) return record.slice();
    }
    const first = this.#blockWith(index);
    if (first === undefined) return undefined;
    const { records, damage } = this.#block(first);
    const record = records.find(index);
    if (record === undefined) {
      if (damage !== null) throw corrupt(`log ${index}`, damage);
      return undefined;
    }
    // Of a block with one entry nobody wants another one.
    if (records.length > 1 && this.#kept.unshift(records) > KEPT_BLOCKS) this.#kept.pop();
    return record.slice();
  }

  /** Indexes of logs that are on the disk, in order. */
  indexes({ start, end, reverse = false, limit }: IndexRange): number[] {
    const low = reverse ? 0 : (start ?? 0);
    const high = reverse
      ? (start ?? Number.MAX_SAFE_INTEGER)
      : (end ?? Number.MAX_SAFE_INTEGER) - 1;
    const found: number[] = [];
    for (const { records, damage } of this.#between(low, high, reverse)) {
      if (reverse) this.#assertWhole(damage);
      for (let at = 0; at < records.length; at += 1) {
        const index = records.indexAt(reverse ? records.length - 1 - at : at);
        if (index >= low && index <= high) found.push(index);
        if (found.length === limit) return found;
      }
      this.#assertWhole(damage);
    }
    return found;
  }

  /** Where the first block begins that begins at `index` or above. */
  from(index: number): number | undefined {
    for (const first of this.#firsts({ start: index, reverse: false })) return first;
    return undefined;
  }

  /**
   * The blocks that a transaction takes out, by their first indexes, and what is in those of which
   * something may stay. A block that goes whole is not read: it may be large, cold and damaged.
   */
  touched(cut: Span | null, overwritten: Span | null): Touched {
    const low = Math.min(cut?.min ?? Infinity, overwritten?.min ?? Infinity);
    const high = Math.max(cut?.max ?? 0, overwritten?.max ?? 0);
    const firsts: number[] = [];
    for (const first of this.#firsts({ start: this.#blockWith(low) ?? low, reverse: false })) {
      firsts.push(first);
      if (first > high) break;
    }
    const removed: number[] = [];
    const old: Records[] = [];
    for (const [at, first] of firsts.entries()) {
      if (first > high) break;
      const end = (firsts[at + 1] ?? Infinity) - 1;
      if (cut === null || first < cut.min || end > cut.max) {
        const records = this.#whole(first, end);
        if (records.indexAt(records.length - 1) < low) continue;
        old.push(records);
      }
      removed.push(first);
    }
    return { removed, old };
  }

  /** All of a block whose entries must not lie above `end`. */
  #whole(first: number, end: number): Records {
    const { records, damage } = this.#block(first);
    this.#assertWhole(damage);
    const last = records.indexAt(records.length - 1);
    if (last > end) this.#assertWhole(`the block of entry ${first} reaches up to ${last}`);
    return records;
  }

  /** Blocks that may have an index from `low` to `high`, in order. */
  *#between(low: number, high: number, reverse: boolean): Generator<Block, void, void> {
    const start = reverse ? high : (this.#blockWith(low) ?? low);
    for (const first of this.#firsts({ start, reverse })) {
      if (first > high) return;
      yield this.#block(first);
    }
  }

  #assertWhole(damage: string | null): void {
    if (damage !== null) throw corrupt(`the log at ${this.#path}`, damage);
  }

  /** The first index of the block that has `index` if any has. */
  #blockWith(index: number): number | undefined {
    for (const first of this.#firsts({ start: index, reverse: true })) return first;
    return undefined;
  }

  /** The first indexes of blocks, from `start` on or down. */
  *#firsts({ start, reverse }: { start: number; reverse: boolean }): Generator<number, void, void> {
    try {
      for (const key of this.#logs.getKeys({ start: encodeUint64(start), reverse })) {
        yield decodeUint64(key, 'a key of the log');
      }
    } catch (thrown) {
      throw readError(thrown, 'the keys of the log', this.#path);
    }
  }

  #block(first: number): Block {
    const value = readBinary(this.#logs, encodeUint64(first), `log ${first}`, this.#path);
    if (value === undefined) return readBlock(first, new Uint8Array());
    // lmdb-js gives a Buffer, whose `slice` copies nothing: what callers get would be the block.
    return readBlock(first, new Uint8Array(value.buffer, value.byteOffset, value.length));
  }
}
