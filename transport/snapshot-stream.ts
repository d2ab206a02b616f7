import { type Deferred, newDeferred } from '../internal/deferred.ts';
import { asError, RaftError } from '../raft/errors.ts';
import type { InstallSnapshotResponse } from '../raft/messages.ts';
import type { ClientConnection } from './client-connection.ts';
import { exactly } from './exact-bytes.ts';
import type { ReceiveBuffer } from './receive-buffer.ts';
import { readInstallSnapshotResponse } from './wire.ts';

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
 * The state of a snapshot as it comes in: the next `size` bytes of a connection. Reading is what
 * keeps the bytes flowing. What its reader leaves is thrown away before the next request is looked
 * for.
 */
export class IncomingSnapshot implements AsyncIterable<Uint8Array> {
  readonly #size: number;
  readonly #buffer: ReceiveBuffer;
  /** Called when bytes have been taken out of the buffer. */
  readonly #taken: () => void;
  #remaining: number;
  #failure: Error | null = null;
  #isAbandoned = false;
  #more: Deferred<void> | null = null;

  constructor(size: number, buffer: ReceiveBuffer, taken: () => void) {
    this.#size = size;
    this.#remaining = size;
    this.#buffer = buffer;
    this.#taken = taken;
  }

  /** True when no byte of it can come any more. */
  get isOver(): boolean {
    return this.#remaining === 0 || this.#failure !== null;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    while (this.#remaining > 0) {
      if (this.#isAbandoned) {
        throw new RaftError(
          'ERR_SNAPSHOT_ABANDONED',
          'the snapshot was answered before it was read',
        );
      }
      if (this.#buffer.length > 0) {
        const chunk = this.#buffer.takeBytes(this.#remaining);
        this.#remaining -= chunk.length;
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

  /** Bytes came in. */
  fed(): void {
    if (this.#isAbandoned) this.#remaining -= this.#buffer.dropBytes(this.#remaining);
    this.#wake();
  }

  /** Nobody will read the rest. */
  abandon(): void {
    this.#isAbandoned = true;
    this.fed();
  }

  /** No more will come. */
  fail(reason: string): void {
    const got = this.#size - this.#remaining + Math.min(this.#buffer.length, this.#remaining);
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
