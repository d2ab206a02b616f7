import { bytesEqual } from '../internal/bytes.ts';
import { Crc64 } from '../internal/crc64.ts';
import { fillYoungHeap } from '../internal/young-heap.ts';
import { RaftError } from '../raft/errors.ts';
import type { ReadableFile } from './file-system.ts';
import type { StateFile } from './state-file.ts';

/** Small enough that checksumming a chunk (about 1 GB/s) does not hold the event loop up. */
const CHUNK_SIZE_BYTES = 256 * 1024;

/** The CRC-64 of a whole file. The event loop turns between chunks. */
export async function checksumOf(file: ReadableFile): Promise<Uint8Array> {
  const checksum = new Crc64();
  const chunk = new Uint8Array(CHUNK_SIZE_BYTES);
  for (let position = 0; ; ) {
    const read = await file.read(chunk, position);
    if (read === 0) return checksum.digest();
    checksum.update(chunk.subarray(0, read));
    position += read;
  }
}

/** All of a file, or a `RaftError` (`ERR_MALFORMED_SNAPSHOT_META`) when it is absurdly large. */
export async function readSmallFile(file: ReadableFile, limitBytes: number): Promise<Uint8Array> {
  const sizeBytes = await file.size();
  if (sizeBytes > limitBytes) {
    throw new RaftError(
      'ERR_MALFORMED_SNAPSHOT_META',
      `malformed meta.json: expected at most ${limitBytes} bytes, got ${sizeBytes}`,
    );
  }
  const bytes = new Uint8Array(sizeBytes);
  let filled = 0;
  while (filled < sizeBytes) {
    const read = await file.read(bytes.subarray(filled), filled);
    if (read === 0) break;
    filled += read;
  }
  return bytes.subarray(0, filled);
}

/**
 * The last chunk stays back until all of them are known to be what was verified: the disk may turn
 * a bit between the two passes, and whoever writes down what it is sent would not notice.
 */
async function* chunksOf(
  file: ReadableFile,
  crc: Uint8Array,
): AsyncGenerator<Uint8Array, undefined> {
  const checksum = new Crc64();
  let held: Uint8Array | null = null;
  // The disk reads the next one while the reader is busy with this one.
  let next = chunkAt(file, 0);
  try {
    for (let position = 0; ; ) {
      const chunk = await next;
      if (chunk.length === 0) break;
      position += chunk.length;
      next = chunkAt(file, position);
      if (held !== null) yield held;
      held = chunk;
      checksum.update(held);
    }
    if (!bytesEqual(checksum.digest(), crc)) {
      const text = 'state.bin is not what it was when it was opened';
      throw new RaftError('ERR_SNAPSHOT_CORRUPT', text);
    }
    if (held !== null) yield held;
  } finally {
    await next.catch(() => {});
    await file.close();
  }
}

/** Reads on at `position`; nobody need wait for it. */
function chunkAt(file: ReadableFile, position: number): Promise<Uint8Array> {
  const chunk = new Uint8Array(CHUNK_SIZE_BYTES);
  fillYoungHeap(CHUNK_SIZE_BYTES);
  const reading = file.read(chunk, position).then((read) => chunk.subarray(0, read));
  reading.catch(() => {});
  return reading;
}

/**
 * The chunks of a file, once. The file is closed at the end, after an error, and when the iterator
 * is returned from, even before its first chunk (where a generator alone would not notice).
 */
export class FileSnapshotReader implements AsyncIterable<Uint8Array> {
  /** The file, for worker threads; `null` when they do not reach it. */
  readonly stateFile: StateFile | null;
  readonly #file: ReadableFile;
  readonly #chunks: AsyncGenerator<Uint8Array, undefined>;
  #taken = false;

  /** @param crc of the whole file, as it was when it was verified */
  constructor(file: ReadableFile, crc: Uint8Array, stateFile: StateFile | null = null) {
    this.stateFile = stateFile;
    this.#file = file;
    this.#chunks = chunksOf(file, crc);
  }

  /** Throws a `RaftError` (`ERR_SNAPSHOT_READ_TWICE`) the second time. */
  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    if (this.#taken) {
      const text = 'a snapshot reader may be iterated once: open the snapshot again';
      throw new RaftError('ERR_SNAPSHOT_READ_TWICE', text);
    }
    this.#taken = true;
    return {
      next: () => this.#chunks.next(),
      return: async () => {
        await this.#chunks.return(undefined);
        await this.#file.close();
        return { done: true, value: undefined };
      },
    };
  }
}
