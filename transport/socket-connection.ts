import type net from 'node:net';
import type { ServerAddress } from '../raft/configuration.ts';
import { RaftError } from '../raft/errors.ts';
import { joinHostPort } from './socket-address.ts';
import type { StreamConnection, StreamHandler } from './stream-layer.ts';

/** Quiet time after which the system asks whether the peer is still there; Go's default. */
const KEEP_ALIVE_DELAY_MS = 15_000;

/** Go turns no-delay and keep-alive on for every socket; Node does not. */
export const socketOptions = {
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
  allowHalfOpen: true,
};

/** An error of OpenSSL in one line: its reason, without the place in its sources. */
export function readableError(error: Error): Error {
  if (!('library' in error && 'reason' in error)) return error;
  return new RaftError('ERR_TLS', `tls: ${String(error.reason)}`, { cause: error });
}

/** A connection over a socket of `node:net`, or one that behaves like it, such as a TLS socket. */
export class SocketConnection implements StreamConnection {
  readonly localAddress: ServerAddress;
  readonly remoteAddress: ServerAddress;
  readonly closed: Promise<void>;
  readonly #socket: net.Socket;
  #handler: StreamHandler | null = null;
  #error: Error | null = null;

  constructor(socket: net.Socket) {
    this.#socket = socket;
    this.localAddress = joinHostPort(socket.localAddress ?? '', socket.localPort ?? 0);
    this.remoteAddress = joinHostPort(socket.remoteAddress ?? '', socket.remotePort ?? 0);
    this.closed = socket.closed
      ? Promise.resolve()
      : new Promise((resolve) => socket.once('close', () => resolve()));
    socket.on('error', (error) => {
      this.#error = readableError(error);
      this.#handler?.failed(this.#error);
    });
  }

  start(handler: StreamHandler): void {
    this.#handler = handler;
    const socket = this.#socket;
    socket.on('end', () => this.#handler?.ended());
    socket.on('drain', () => this.#handler?.drained());
    socket.on('data', (chunk: Uint8Array) => this.#handler?.received(chunk));
    // It may have broken between being accepted and this.
    if (this.#error !== null) handler.failed(this.#error);
  }

  write(chunk: Uint8Array): boolean {
    return this.#socket.write(chunk);
  }

  writeMany(chunks: readonly Uint8Array[]): boolean {
    let isWritable = true;
    this.#socket.cork();
    for (const chunk of chunks) isWritable = this.write(chunk);
    this.#socket.uncork();
    return isWritable;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#handler = null;
    this.#socket.end(() => this.#socket.destroy());
  }

  destroy(): void {
    this.#handler = null;
    this.#socket.destroy();
  }
}

/** How {@link opened} waits for a socket. */
export interface Opening {
  readonly address: ServerAddress;
  /** What the socket says when it may be used. */
  readonly event: 'connect' | 'secureConnect';
  /** Limit in milliseconds; 0 for the system's own. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** The connection over a socket that is being opened; rejects with a `RaftError` (`ERR_DIAL`). */
export function opened(socket: net.Socket, opening: Opening): Promise<SocketConnection> {
  const { address, event, timeoutMs, signal } = opening;
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      settle();
      socket.on('error', () => {}); // a second one is of no interest, and must not be unhandled
      socket.destroy();
      const cause = readableError(error);
      reject(new RaftError('ERR_DIAL', `dial tcp ${address}: ${cause.message}`, { cause }));
    };
    const abort = (): void => fail(new Error('operation was canceled'));
    const closed = (): void => fail(new Error('connection closed by the peer'));
    const expire = (): void => fail(new Error('i/o timeout'));
    const timer = timeoutMs > 0 ? setTimeout(expire, timeoutMs) : null;
    const settle = (): void => {
      if (timer !== null) clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      socket.off('error', fail);
      socket.off('close', closed);
    };
    socket.once('error', fail);
    socket.once('close', closed);
    socket.once(event, () => {
      settle();
      resolve(new SocketConnection(socket));
    });
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort, { once: true });
  });
}
