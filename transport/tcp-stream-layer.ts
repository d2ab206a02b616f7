import net from 'node:net';
import type { ServerAddress } from '../raft/configuration.ts';
import type { LineOutput } from '../raft/line-logger.ts';
import type { Logger } from '../raft/logger.ts';
import { AcceptQueue } from './accept-queue.ts';
import { loggerOf } from './loggers.ts';
import { NetworkTransport } from './network-transport.ts';
import type { NetworkTransportConfig } from './network-transport-config.ts';
import { listenOn, splitHostPort } from './socket-address.ts';
import { opened, SocketConnection, socketOptions } from './socket-connection.ts';
import type { StreamConnection, StreamLayer } from './stream-layer.ts';

/** Plain TCP; made by {@link newTCPStreamLayer}. Go: `TCPStreamLayer`. */
export class TCPStreamLayer implements StreamLayer {
  readonly #server: net.Server;
  readonly #address: ServerAddress;
  readonly #accepted = new AcceptQueue();

  /** @internal */
  constructor(server: net.Server, address: ServerAddress) {
    this.#server = server;
    this.#address = address;
    server.on('connection', (socket) => this.#accepted.push(new SocketConnection(socket)));
    server.on('error', (error) => this.#accepted.fail(error));
  }

  /** The next connection that comes in. Go: `TCPStreamLayer.Accept`. */
  accept(): Promise<StreamConnection> {
    return this.#accepted.next();
  }

  /** The advertised address, or else the bound one. Go: `TCPStreamLayer.Addr`. */
  addr(): ServerAddress {
    return this.#address;
  }

  /** Stops listening; connections that were accepted stay. Go: `TCPStreamLayer.Close`. */
  async close(): Promise<void> {
    // The server's own end waits for its connections, which are not this layer's to close.
    this.#server.close();
    this.#accepted.close();
  }

  /**
   * Opens a connection. Go: `TCPStreamLayer.Dial`.
   *
   * @param timeout limit in milliseconds; 0 for the system's own
   * @param signal gives up when aborted
   *
   * Throws a `RaftError`: `ERR_INVALID_ADDRESS`, or `ERR_DIAL` with the reason of the system.
   */
  async dial(
    address: ServerAddress,
    timeout: number,
    signal?: AbortSignal,
  ): Promise<StreamConnection> {
    const socket = net.connect({ ...socketOptions, ...splitHostPort(address) });
    return opened(socket, { address, event: 'connect', timeoutMs: timeout, signal });
  }
}

/**
 * Listens on a TCP address.
 *
 * @param bindAddr `host:port` or `[ipv6]:port`; port 0 lets the system choose
 * @param advertise the address that peers are told; `null` for the bound one
 *
 * Rejects with the system's error when the address cannot be bound, and with a `RaftError`:
 * `ERR_INVALID_ADDRESS` for what is no address, `ERR_NOT_ADVERTISABLE` when there is no concrete
 * one to tell peers.
 */
export async function newTCPStreamLayer(
  bindAddr: string,
  advertise: ServerAddress | null,
): Promise<TCPStreamLayer> {
  const server = net.createServer(socketOptions);
  const address = await listenOn(server, bindAddr, advertise);
  return new TCPStreamLayer(server, address);
}

/**
 * A transport over TCP that listens on `bindAddr`.
 *
 * @param advertise the address that peers are told; `null` for the bound one
 * @param maxPool idle connections kept for each peer, 0 or more
 * @param timeout limit for a call, in milliseconds; 0 for none
 * @param log a logger, or where the lines of the default one go; the console when absent
 *
 * Rejects as {@link newTCPStreamLayer} does, and with `ERR_INVALID_CONFIG` for a bad number.
 * Go: `NewTCPTransport`, `NewTCPTransportWithLogger`.
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
