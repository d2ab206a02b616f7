import { type Deferred, newDeferred } from '../internal/deferred.ts';
import { RaftError } from '../raft/errors.ts';
import type { StreamConnection } from './stream-layer.ts';

/** Connections that came in, on their way to the one who accepts them. */
export class AcceptQueue {
  readonly #ready: StreamConnection[] = [];
  #waiting: Deferred<StreamConnection> | null = null;
  #isClosed = false;

  /** A connection came in; after `close` it is closed at once. */
  push(connection: StreamConnection): void {
    if (this.#isClosed) connection.destroy();
    else if (this.#waiting === null) this.#ready.push(connection);
    else {
      this.#waiting.resolve(connection);
      this.#waiting = null;
    }
  }

  /** The next connection, for one caller at a time; rejects when accepting failed. */
  next(): Promise<StreamConnection> {
    const connection = this.#ready.shift();
    if (connection !== undefined) return Promise.resolve(connection);
    if (this.#isClosed) return Promise.reject(listenerClosed());
    this.#waiting = newDeferred();
    return this.#waiting.promise;
  }

  /** Accepting failed. */
  fail(error: Error): void {
    this.#waiting?.reject(error);
    this.#waiting = null;
  }

  /** Closes what nobody has accepted, and takes nothing more. */
  close(): void {
    this.#isClosed = true;
    for (const connection of this.#ready.splice(0)) connection.destroy();
    this.fail(listenerClosed());
  }
}

function listenerClosed(): RaftError {
  return new RaftError('ERR_LISTENER_CLOSED', 'use of closed network connection');
}
