import { type Deferred, newDeferred } from '../internal/deferred.ts';
import { RingBuffer } from '../internal/ring-buffer.ts';
import { fillYoungHeap } from '../internal/young-heap.ts';
import { asError, RaftError } from '../raft/errors.ts';
import type { InstallSnapshotResponse } from '../raft/messages.ts';
import type { ClientConnection } from './client-connection.ts';
import { exactly } from './exact-bytes.ts';
import { readInstallSnapshotResponse } from './wire.ts';

/** What a chunk takes beside its bytes, roughly: a peer may send one byte at a time. */
const CHUNK_COST_BYTES = 512;

/** What {@link sendSnapshot} sends. */
export interface OutgoingSnapshot {
  /** The encoded InstallSnapshot request. */
  readonly request: Uint8Array;
  /** How many bytes of state the request promises. */
  readonly size: number;
  readonly data: AsyncIterable<Uint8Array>;
  /** Limit for sending and for the answer together, in milliseconds; 0 for none. */
  readonly timeoutMs: number;
}

/** Writes exactly `size` bytes. One more would be taken for the next request by the peer. */
async function writeState(
  connection: ClientConnection,
  { size, data }: OutgoingSnapshot,
): Promise<void> {
  for await (const chunk of exactly(size, data)) {
    connection.write(chunk);
    await connection.writable();
  }
}

/**
 * Sends a snapshot and waits for the answer. A source of the wrong length ends the connection,
 * which tells the peer. The connection is of no use afterwards, whatever came of it.
 */
export function sendSnapshot(
  connection: ClientConnection,
  snapshot: OutgoingSnapshot,
): Promise<InstallSnapshotResponse> {
  const result = newDeferred<InstallSnapshotResponse>();
  const { request, timeoutMs } = snapshot;
  connection.send([request], timeoutMs, readInstallSnapshotResponse, (answer) => {
    if (answer.error !== null) result.reject(answer.error);
    else result.resolve(answer.response);
    connection.destroy(new RaftError('ERR_CONNECTION_LOST', 'the snapshot has been answered'));
  });
  // A source that hangs must not keep the caller beyond the time, so nobody waits for this.
  writeState(connection, snapshot).catch((error) => connection.destroy(asError(error)));
  return result.promise;
}

/**
 * The state of a snapshot as it comes in: the next `size` bytes of a connection. They stay in the
 * chunks in which they came, for one that is large is nothing but chunks, and to join them would be
 * to allocate, to clear and to collect twice what comes. Reading is what keeps the bytes flowing.
 * What its reader leaves is thrown away before the next request is looked for.
 */
export class IncomingSnapshot implements AsyncIterable<Uint8Array> {
  readonly #size: number;
  /** Called when bytes have been taken. */
  readonly #taken: () => void;
  readonly #chunks = new RingBuffer<Uint8Array>();
  #waitingBytes = 0;
  /** Bytes that have not come yet. */
  #missingBytes: number;
  #failure: Error | null = null;
  #isAbandoned = false;
  #more: Deferred<void> | null = null;

  constructor(size: number, taken: () => void) {
    this.#size = size;
    this.#missingBytes = size;
    this.#taken = taken;
  }

  /** True when nothing is left of it, or no byte of it can come any more. */
  get isOver(): boolean {
    return this.#missingBytes + this.#waitingBytes === 0 || this.#failure !== null;
  }

  /** Memory that waits for the reader, in bytes: those that have come, and what holds them. */
  get heldBytes(): number {
    return this.#waitingBytes + this.#chunks.length * CHUNK_COST_BYTES;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    for (;;) {
      if (this.#isAbandoned) {
        throw new RaftError(
          'ERR_SNAPSHOT_ABANDONED',
          'the snapshot was answered before it was read',
        );
      }
      if (this.#missingBytes + this.#waitingBytes === 0) return;
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#waitingBytes -= chunk.length;
        this.#taken();
        yield chunk;
      } else if (this.#failure !== null) {
        throw this.#failure;
      } else {
        this.#more ??= newDeferred();
        await this.#more.promise;
      }
    }
  }

  /** Takes what is its own of bytes that came, which must not change any more; gives the rest. */
  feed(chunk: Uint8Array): Uint8Array {
    const own = chunk.subarray(0, this.#missingBytes);
    fillYoungHeap(own.length);
    this.#missingBytes -= own.length;
    if (!this.#isAbandoned && own.length > 0) {
      this.#chunks.push(own);
      this.#waitingBytes += own.length;
    }
    this.#wake();
    return chunk.subarray(own.length);
  }

  /** Nobody will read the rest. */
  abandon(): void {
    if (this.#missingBytes + this.#waitingBytes === 0) return;
    this.#isAbandoned = true;
    while (this.#chunks.shift() !== undefined);
    this.#waitingBytes = 0;
    this.#wake();
  }

  /** No more will come. */
  fail(reason: string): void {
    const got = this.#size - this.#missingBytes;
    this.#failure = new RaftError(
      'ERR_SNAPSHOT_SIZE',
      `${reason}: expected a snapshot of ${this.#size} bytes, got ${got}`,
    );
    this.#wake();
  }

  #wake(): void {
    this.#more?.resolve();
    this.#more = null;
  }
}
