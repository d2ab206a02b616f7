import { joinRecords, KEY_BYTES, RECORD_HEAD_BYTES, Records } from './records.ts';

/** With the header of its first page a block fills at most sixteen pages of 4 KiB. */
const MOST_BLOCK_BYTES = 16 * 4096 - 24;

/** What one value of LMDB holds: neighbouring entries, in ascending order. */
export interface Block {
  /** What can be read of it. */
  readonly records: Records;
  /** Why the rest cannot be; `null` when there is none. */
  readonly damage: string | null;
}

/** The key under which a block lies: that of its first entry. */
export function keyOf(block: Records): Uint8Array {
  return block.bytes.subarray(0, KEY_BYTES);
}

/** Cuts ascending entries into blocks. */
export function blocksOf(records: Records): Records[] {
  return records.cut(MOST_BLOCK_BYTES);
}

/** Finds the entries in the value that lies under the index `first`. */
export function readBlock(first: number, bytes: Uint8Array): Block {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const starts: number[] = [];
  let last = first - 1;
  let at = 0;
  while (at < bytes.length) {
    const end = endOfEntry(view, at);
    const index = end === undefined ? undefined : Number(view.getBigUint64(at));
    if (end === undefined || index === undefined || !Number.isSafeInteger(index)) break;
    if (at === 0 ? index !== first : index <= last) break;
    starts.push(at);
    last = index;
    at = end;
  }
  const isWhole = at === bytes.length && starts.length > 0;
  const damage = isWhole ? null : `the block of entry ${first} cannot be read from byte ${at} on`;
  return { records: new Records(bytes.subarray(0, at), starts), damage };
}

function endOfEntry(view: DataView, at: number): number | undefined {
  if (at + RECORD_HEAD_BYTES > view.byteLength) return undefined;
  const end = at + RECORD_HEAD_BYTES + view.getUint32(at + KEY_BYTES);
  return end > view.byteLength ? undefined : end;
}

/**
 * What `old` becomes when the entries of which `isGone` are taken out and those of `parts` put in,
 * the later of two with the same index: all of it, in ascending order.
 */
export function mergeRecords(
  old: readonly Records[],
  isGone: (index: number) => boolean,
  parts: readonly Records[],
): Records {
  const entries = new Map<number, Uint8Array>();
  const take = (records: Records, isLeftOut: (index: number) => boolean): void => {
    for (let at = 0; at < records.length; at += 1) {
      const index = records.indexAt(at);
      if (!isLeftOut(index)) entries.set(index, records.entryAt(at));
    }
  };
  for (const records of old) take(records, isGone);
  for (const records of parts) take(records, () => false);
  const ordered = [...entries].sort(([a], [b]) => a - b);
  return joinRecords(ordered.map(([, bytes]) => new Records(bytes, [0])));
}
