import type { SnapshotSink } from '../../raft/snapshot.ts';
import { type CowMap, newCowMap } from '../../snapshot/cow-map.ts';
import { objectOf } from './options.ts';
import type { StateNumbers } from './state.ts';

const BLOCK_BYTES = 65_536;
const NEWLINE = 0x0a;

/** Every block of the bulk is a part of this: the next block begins one byte later. */
const pattern = Buffer.alloc(BLOCK_BYTES + 256);
for (let at = 0; at < pattern.length; at += 1) pattern[at] = at % 256;

/** The bytes of the bulk from `offset` on, to the end of their block at most. */
export function bulkAt(offset: number, leftBytes: number): Uint8Array {
  const shift = Math.floor(offset / BLOCK_BYTES) % 256;
  const at = offset % BLOCK_BYTES;
  return pattern.subarray(shift + at, shift + Math.min(at + leftBytes, BLOCK_BYTES));
}

/** Writes the numbers, the pairs and the bulk. */
export async function persistLines(
  sink: SnapshotSink,
  numbers: StateNumbers,
  keys: number,
  pairs: Iterable<[string, string]>,
): Promise<void> {
  const { index, count, hash, fold, bulk } = numbers;
  let text = `${JSON.stringify({ index, count, hash, fold, keys, bulk })}\n`;
  for (const [k, v] of pairs) {
    text += `${JSON.stringify({ k, v })}\n`;
    if (text.length < BLOCK_BYTES) continue;
    await sink.write(Buffer.from(text));
    text = '';
  }
  await sink.write(Buffer.from(text));
  for (let at = 0; at < bulk; ) at += await sink.write(bulkAt(at, bulk - at));
}

function bad(what: string): Error {
  return new Error(`bad snapshot: ${what}`);
}

function numberIn(fields: Record<string, unknown>, name: string): number {
  const value = fields[name];
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw bad(`expected a number called ${name}, got ${String(value)}`);
}

/** Takes a snapshot in pieces of any size. */
class LineReader {
  readonly data: CowMap<string, string> = newCowMap();
  numbers: StateNumbers | null = null;
  #keysLeft = 0;
  #bulkAt = 0;
  #rest: Uint8Array[] = [];

  push(piece: Uint8Array): void {
    let left = piece;
    while (this.numbers === null || this.#keysLeft > 0) {
      const end = left.indexOf(NEWLINE);
      if (end === -1) {
        this.#rest.push(Buffer.from(left));
        return;
      }
      this.#line(Buffer.concat([...this.#rest, left.subarray(0, end)]).toString());
      this.#rest = [];
      left = left.subarray(end + 1);
    }
    this.#bulk(left, this.numbers.bulk);
  }

  end(): { numbers: StateNumbers; data: CowMap<string, string> } {
    const { numbers, data } = this;
    if (numbers === null || this.#keysLeft > 0 || this.#bulkAt < numbers.bulk) {
      throw bad('ended too early');
    }
    return { numbers, data };
  }

  #line(line: string): void {
    const fields = objectOf('bad snapshot', line);
    if (this.numbers === null) {
      this.#header(fields);
      return;
    }
    const { k, v } = fields;
    if (typeof k !== 'string' || typeof v !== 'string') throw bad(`expected a pair, got ${line}`);
    this.data.set(k, v);
    this.#keysLeft -= 1;
  }

  #header(fields: Record<string, unknown>): void {
    const { hash } = fields;
    if (typeof hash !== 'string' || !/^[0-9a-f]{64}$/.test(hash)) throw bad('expected a hash');
    this.numbers = {
      index: numberIn(fields, 'index'),
      count: numberIn(fields, 'count'),
      hash,
      fold: numberIn(fields, 'fold'),
      bulk: numberIn(fields, 'bulk'),
    };
    this.#keysLeft = numberIn(fields, 'keys');
  }

  /** Compares and keeps nothing, so that a large snapshot needs no large state. */
  #bulk(piece: Uint8Array, sizeBytes: number): void {
    for (let left = piece; left.length > 0; ) {
      if (this.#bulkAt === sizeBytes) throw bad('bytes behind the end');
      const expected = bulkAt(this.#bulkAt, Math.min(left.length, sizeBytes - this.#bulkAt));
      if (Buffer.compare(left.subarray(0, expected.length), expected) !== 0) {
        throw bad(`wrong bulk near ${this.#bulkAt}`);
      }
      this.#bulkAt += expected.length;
      left = left.subarray(expected.length);
    }
  }
}

/** Reads a whole snapshot. @throws Error when it is not one */
export async function readLines(
  reader: AsyncIterable<Uint8Array>,
): Promise<{ numbers: StateNumbers; data: CowMap<string, string> }> {
  const lines = new LineReader();
  for await (const piece of reader) lines.push(piece);
  return lines.end();
}
