import { concatBytes } from '../internal/bytes.ts';
import { asError, RaftError } from './errors.ts';
import type { SnapshotSink } from './snapshot.ts';

/** Turns values into bytes and back. It must give back an equal value, on every node. */
export interface Codec {
  /** The bytes of a value, at least one; throws for what it cannot carry. */
  encode(value: unknown): Uint8Array;
  /** The value of bytes; throws unless they are one value and nothing else. */
  decode(bytes: Uint8Array): unknown;
}

/** How the items of a state become the bytes of a snapshot, and items again. */
export interface ItemFormat {
  /** Writes all items; the sink stays open. */
  write(sink: SnapshotSink, items: Iterable<unknown> | AsyncIterable<unknown>): Promise<void>;
  /** Reads what was written so; iterating throws for anything else. */
  read(reader: AsyncIterable<Uint8Array>): AsyncIterable<unknown>;
}

/** The first byte of a snapshot. */
const FORMAT = 1;
const HEADER_BYTES = 4;
/** Bytes collected before they are handed to the sink. */
const CHUNK_BYTES = 64 * 1024;
/** A larger length is damage, or an item that no node should hold in one piece. */
const MAX_ITEM_BYTES = 256 * 1024 * 1024;

function malformed(text: string, cause?: unknown): RaftError {
  return new RaftError('ERR_MALFORMED_SNAPSHOT', `malformed snapshot: ${text}`, { cause });
}

function encodeItem(codec: Codec, item: unknown): Uint8Array {
  const bytes = codec.encode(item);
  if (bytes.length > 0 && bytes.length <= MAX_ITEM_BYTES) return bytes;
  const text = `an item of a snapshot must have 1 to ${MAX_ITEM_BYTES} bytes, got ${bytes.length}`;
  throw new RaftError('ERR_INVALID_ARGUMENT', text);
}

/** Puts items one after the other, each with its length before it, 0 behind the last one. */
export class ItemFrames {
  readonly #codec: Codec;
  #buffer = new Uint8Array(2 * CHUNK_BYTES);
  #sizeBytes = 1;

  constructor(codec: Codec) {
    this.#codec = codec;
    this.#buffer[0] = FORMAT;
  }

  /** Adds an item; true when enough has come together to be taken. Throws for what is none. */
  add(item: unknown): boolean {
    const bytes = encodeItem(this.#codec, item);
    this.#header(bytes.length);
    this.#buffer.set(bytes, this.#sizeBytes);
    this.#sizeBytes += bytes.length;
    return this.#sizeBytes >= CHUNK_BYTES;
  }

  /** Says that no item follows. */
  end(): void {
    this.#header(0);
  }

  /** What has come together; it holds good until the next item is added. */
  take(): Uint8Array {
    const bytes = this.#buffer.subarray(0, this.#sizeBytes);
    this.#sizeBytes = 0;
    return bytes;
  }

  #header(lengthBytes: number): void {
    const neededBytes = this.#sizeBytes + HEADER_BYTES + lengthBytes;
    if (neededBytes > this.#buffer.length) {
      const larger = new Uint8Array(neededBytes);
      larger.set(this.#buffer.subarray(0, this.#sizeBytes));
      this.#buffer = larger;
    }
    for (let shift = 24; shift >= 0; shift -= 8) {
      this.#buffer[this.#sizeBytes] = lengthBytes >>> shift;
      this.#sizeBytes += 1;
    }
  }
}

/** Writes what {@link ItemFrames} makes of items. */
export async function writeItems(
  sink: Pick<SnapshotSink, 'write'>,
  items: Iterable<unknown> | AsyncIterable<unknown>,
  codec: Codec,
): Promise<void> {
  const frames = new ItemFrames(codec);
  for await (const item of items) if (frames.add(item)) await sink.write(frames.take());
  frames.end();
  await sink.write(frames.take());
}

/** The format of {@link writeItems}, on the thread that asks. */
export function framesOf(codec: Codec): ItemFormat {
  return {
    write: (sink, items) => writeItems(sink, items, codec),
    read: (reader) => readItems(reader, codec),
  };
}

/** Hands out bytes in the sizes that are asked for, whatever the sizes they come in. */
class Intake {
  readonly #source: AsyncIterator<Uint8Array>;
  #chunks: Uint8Array[] = [];
  #sizeBytes = 0;

  constructor(source: AsyncIterator<Uint8Array>) {
    this.#source = source;
  }

  /** The next `count` bytes; fewer at the end of the source. */
  async take(count: number): Promise<Uint8Array> {
    while (this.#sizeBytes < count) {
      const next = await this.#source.next();
      if (next.done === true) break;
      this.#chunks.push(next.value);
      this.#sizeBytes += next.value.length;
    }
    const [only] = this.#chunks;
    const all = this.#chunks.length === 1 && only !== undefined ? only : concatBytes(this.#chunks);
    const rest = all.subarray(count);
    this.#chunks = [rest];
    this.#sizeBytes = rest.length;
    return all.subarray(0, count);
  }
}

/** Reads what {@link writeItems} wrote; throws `ERR_MALFORMED_SNAPSHOT` for anything else. */
export async function* readItems(
  reader: AsyncIterable<Uint8Array>,
  codec: Codec,
): AsyncGenerator<unknown, undefined> {
  const source = reader[Symbol.asyncIterator]();
  const intake = new Intake(source);
  try {
    const [format] = await intake.take(1);
    if (format !== FORMAT) throw malformed(`expected format ${FORMAT}, got ${format ?? 'no byte'}`);
    for (let count = 0; ; count += 1) {
      const bytes = await nextItem(intake, count);
      if (bytes === null) return;
      yield decodeItem(codec, bytes, count);
    }
  } finally {
    await source.return?.();
  }
}

async function nextItem(intake: Intake, count: number): Promise<Uint8Array | null> {
  const head = await intake.take(HEADER_BYTES);
  if (head.length < HEADER_BYTES) throw malformed(`it ends after ${count} items, without its end`);
  const length = new DataView(head.buffer, head.byteOffset).getUint32(0);
  if (length > MAX_ITEM_BYTES) {
    throw malformed(`item ${count} should have at most ${MAX_ITEM_BYTES} bytes, has ${length}`);
  }
  const bytes = await intake.take(length === 0 ? 1 : length);
  if (length === 0 && bytes.length > 0) throw malformed(`bytes follow its end, ${count} items`);
  if (bytes.length < length) throw malformed(`item ${count} ends early`);
  return length === 0 ? null : bytes;
}

function decodeItem(codec: Codec, bytes: Uint8Array, count: number): unknown {
  try {
    return codec.decode(bytes);
  } catch (thrown) {
    const { message } = asError(thrown);
    throw malformed(`item ${count} cannot be decoded: ${message}`, thrown);
  }
}
