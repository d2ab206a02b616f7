import net from 'node:net';
import type { ServerAddress } from '../raft/configuration.ts';
import { RaftError } from '../raft/errors.ts';
import type { LineOutput } from '../raft/line-logger.ts';
import type { Logger } from '../raft/logger.ts';
import { loggerOf, NetworkTransport, type NetworkTransportConfig } from './network-transport.ts';
import type { StreamConnection, StreamHandler, StreamLayer } from './stream-layer.ts';

/** Quiet time after which the system asks whether the peer is still there; Go's default. */
const KEEP_ALIVE_DELAY_MS = 15_000;
/** Go turns both on for every socket; Node does not. */
const socketOptions = {
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
  allowHalfOpen: true,
};

/** The bound address is none that peers could dial. Go: `errNotAdvertisable`. */
function notAdvertisable(address: string): RaftError {
  return new RaftError(
    'ERR_NOT_ADVERTISABLE',
    `local bind address is not advertisable: expected a concrete address, got ${address}`,
  );
}

interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Splits `host:port`, the host in brackets when it has colons. Throws when it is neither. */
function splitHostPort(address: string): HostPort {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(address);
  const port = Number(match?.[3]);
  if (match === null || !(port <= 65_535)) {
    throw new RaftError(
      'ERR_INVALID_ADDRESS',
      `expected an address of the form host:port or [ipv6]:port, got ${JSON.stringify(address)}`,
    );
  }
  return { host: match[1] ?? match[2] ?? '', port };
}

function joinHostPort(host: string, port: number): ServerAddress {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function isUnspecified(host: string): boolean {
  return host === '' || /^(0\.0\.0\.0|[0:]+|::ffff:0\.0\.0\.0)$/.test(host);
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
      this.#error = error;
      this.#handler?.failed(error);
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

/** Somebody who waits for the next connection. */
interface Acceptor {
  readonly resolve: (connection: StreamConnection) => void;
  readonly reject: (error: Error) => void;
}

/** Plain TCP. Go: `TCPStreamLayer`. */
export class TCPStreamLayer implements StreamLayer {
  readonly #server: net.Server;
  readonly #address: ServerAddress;
  readonly #accepted: net.Socket[] = [];
  #acceptor: Acceptor | null = null;
  #closing: Promise<void> | null = null;

  constructor(server: net.Server, address: ServerAddress) {
    this.#server = server;
    this.#address = address;
    server.on('connection', (socket: net.Socket) => {
      if (this.#closing !== null) socket.destroy();
      else if (this.#acceptor === null) this.#accepted.push(socket);
      else {
        this.#acceptor.resolve(new SocketConnection(socket));
        this.#acceptor = null;
      }
    });
    server.on('error', (error) => this.#refuse(error));
  }

  accept(): Promise<StreamConnection> {
    const socket = this.#accepted.shift();
    if (socket !== undefined) return Promise.resolve(new SocketConnection(socket));
    if (this.#closing !== null) return Promise.reject(listenerClosed());
    return new Promise((resolve, reject) => {
      this.#acceptor = { resolve, reject };
    });
  }

  addr(): ServerAddress {
    return this.#address;
  }

  close(): Promise<void> {
    // The server's own end waits for its connections, which are not this layer's to close.
    this.#closing ??= new Promise((resolve) => {
      this.#server.close();
      for (const socket of this.#accepted.splice(0)) socket.destroy();
      this.#refuse(listenerClosed());
      resolve();
    });
    return this.#closing;
  }

  dial(address: ServerAddress, timeout: number, signal?: AbortSignal): Promise<StreamConnection> {
    const { host, port } = splitHostPort(address);
    return new Promise((resolve, reject) => {
      const socket = net.connect({ ...socketOptions, host, port });
      const fail = (error: Error): void => {
        settle();
        socket.destroy();
        reject(
          new RaftError('ERR_DIAL', `dial tcp ${address}: ${error.message}`, { cause: error }),
        );
      };
      const abort = (): void => fail(new Error('operation was canceled'));
      const timer = timeout > 0 ? setTimeout(() => fail(new Error('i/o timeout')), timeout) : null;
      const settle = (): void => {
        if (timer !== null) clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
        socket.off('error', fail);
      };
      socket.once('error', fail);
      signal?.addEventListener('abort', abort, { once: true });
      socket.once('connect', () => {
        settle();
        resolve(new SocketConnection(socket));
      });
    });
  }

  #refuse(error: Error): void {
    this.#acceptor?.reject(error);
    this.#acceptor = null;
  }
}

function listenerClosed(): RaftError {
  return new RaftError('ERR_LISTENER_CLOSED', 'use of closed network connection');
}

function listen(bindAddr: string): Promise<net.Server> {
  const { host, port } = splitHostPort(bindAddr);
  return new Promise((resolve, reject) => {
    const server = net.createServer(socketOptions);
    server.once('error', reject);
    server.listen(host === '' ? { port } : { host, port }, () => {
      server.off('error', reject);
      resolve(server);
    });
  });
}

/** The address of a server that is listening, and the one to tell peers. */
function advertisedAddress(server: net.Server, advertise: ServerAddress | null): ServerAddress {
  if (advertise !== null) {
    if (isUnspecified(splitHostPort(advertise).host)) throw notAdvertisable(advertise);
    return advertise;
  }
  const bound = server.address();
  if (bound === null || typeof bound === 'string') {
    throw new RaftError('ERR_NOT_TCP', 'local address is not a TCP address');
  }
  const address = joinHostPort(bound.address, bound.port);
  if (isUnspecified(bound.address)) throw notAdvertisable(address);
  return address;
}

/**
 * Listens on a TCP address.
 *
 * @param bindAddr `host:port` or `[ipv6]:port`; port 0 lets the system choose
 * @param advertise the address that peers are told; `null` for the bound one
 *
 * Rejects with the system's error when the address cannot be bound, and with a `RaftError`
 * (`ERR_NOT_ADVERTISABLE`) when there is no concrete address to tell peers.
 */
export async function newTCPStreamLayer(
  bindAddr: string,
  advertise: ServerAddress | null,
): Promise<TCPStreamLayer> {
  const server = await listen(bindAddr);
  try {
    return new TCPStreamLayer(server, advertisedAddress(server, advertise));
  } catch (error) {
    server.close();
    throw error;
  }
}

/**
 * A transport over TCP that listens on `bindAddr`.
 *
 * @param advertise the address that peers are told; `null` for the bound one
 * @param maxPool idle connections kept for each peer
 * @param timeout limit for a call, in milliseconds
 * @param log a logger, or where the lines of the default one go; the console when absent
 *
 * Rejects as {@link newTCPStreamLayer} does. Go: `NewTCPTransport`, `NewTCPTransportWithLogger`.
 */
export function newTCPTransport(
  bindAddr: string,
  advertise: ServerAddress | null,
  maxPool: number,
  timeout: number,
  log?: Logger | LineOutput | null,
): Promise<NetworkTransport> {
  return newTCPTransportWithConfig(bindAddr, advertise, { maxPool, timeout, ...loggerOf(log) });
}

/** {@link newTCPTransport} with a logger. Go: `NewTCPTransportWithLogger`. */
export function newTCPTransportWithLogger(
  bindAddr: string,
  advertise: ServerAddress | null,
  maxPool: number,
  timeout: number,
  logger: Logger,
): Promise<NetworkTransport> {
  return newTCPTransportWithConfig(bindAddr, advertise, { maxPool, timeout, logger });
}

/**
 * {@link newTCPTransport} with a config, whose stream is made here. Go:
 * `NewTCPTransportWithConfig`.
 */
export async function newTCPTransportWithConfig(
  bindAddr: string,
  advertise: ServerAddress | null,
  config: Omit<NetworkTransportConfig, 'stream'>,
): Promise<NetworkTransport> {
  const stream = await newTCPStreamLayer(bindAddr, advertise);
  try {
    return new NetworkTransport({ ...config, stream });
  } catch (error) {
    await stream.close();
    throw error;
  }
}
