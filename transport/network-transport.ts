import { utf8, utf8ToString } from '../internal/bytes.ts';
import type { Channel } from '../internal/channel.ts';
import { type Clock, systemClock } from '../internal/clock.ts';
import { isPromiseLike } from '../internal/deferred.ts';
import type { TimeFormat } from '../internal/msgpack/encode.ts';
import type { ServerAddress, ServerID } from '../raft/configuration.ts';
import {
  ErrPipelineReplicationNotSupported,
  ErrPipelineShutdown,
  ErrTransportShutdown,
  RaftError,
} from '../raft/errors.ts';
import type { LineOutput } from '../raft/line-logger.ts';
import type { Logger } from '../raft/logger.ts';
import type {
  AppendEntriesRequest,
  AppendEntriesResponse,
  InstallSnapshotRequest,
  InstallSnapshotResponse,
  RequestPreVoteRequest,
  RequestPreVoteResponse,
  RequestVoteRequest,
  RequestVoteResponse,
  RPCRequest,
  TimeoutNowRequest,
  TimeoutNowResponse,
} from '../raft/messages.ts';
import type { Meter, WithMeter } from '../raft/metrics.ts';
import type {
  AppendPipeline,
  RPC,
  ServerAddressProvider,
  Transport,
  WithClose,
  WithPreVote,
} from '../raft/transport.ts';
import { ClientConnection } from './client-connection.ts';
import { ConnectionPool } from './connection-pool.ts';
import { Inbox } from './inbox.ts';
import { loggerOf, newDefaultLogger } from './loggers.ts';
import { netInstruments, silentNetInstruments } from './net-telemetry.ts';
import {
  DefaultTimeoutScale,
  type NetworkTransportConfig,
  UNSAID_RPCS_IN_FLIGHT,
  wholeNumber,
} from './network-transport-config.ts';
import { BoundedPipeline } from './pipeline.ts';
import { Server } from './server.ts';
import { sendSnapshot } from './snapshot-stream.ts';
import type { StreamConnection, StreamLayer } from './stream-layer.ts';
import {
  encodeParts,
  encodeRequest,
  type ReplyReader,
  readAppendEntriesResponse,
  readRequestPreVoteResponse,
  readRequestVoteResponse,
  readTimeoutNowResponse,
} from './wire.ts';

/** Requests that wait for the node before connections have to. */
const CONSUMER_CAPACITY = 64;

/**
 * Carries requests and replies over byte streams, in the format of hashicorp/raft's transport of
 * this name: each request a type byte and a msgpack struct, each reply an error text and a struct.
 *
 * A connection carries one call at a time, unless it belongs to a pipeline; idle ones are kept for
 * the next call. Snapshots use a connection of their own.
 *
 * A call rejects with an error that has the text of the peer's, `ErrTransportShutdown`, or a
 * `RaftError`: `ERR_TRANSPORT_TIMEOUT`, `ERR_CONNECTION_LOST`, `ERR_MALFORMED_MESSAGE`, or what the
 * stream layer's `dial` rejects with. Go: `NetworkTransport`.
 */
export class NetworkTransport implements Transport, WithPreVote, WithClose, WithMeter {
  /**
   * Bytes of snapshot for each of which the timeout is granted once more; above 0.
   * Go: `NetworkTransport.TimeoutScale`.
   */
  timeoutScale = DefaultTimeoutScale;
  readonly #stream: StreamLayer;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #timeoutMs: number;
  readonly #maxInFlight: number;
  readonly #timeFormat: TimeFormat;
  readonly #provider: ServerAddressProvider | undefined;
  /** What the provider said last, for those who cannot wait for it. */
  readonly #provided = new Map<ServerID, ServerAddress>();
  readonly #pool: ConnectionPool;
  readonly #connections = new Set<ClientConnection>();
  readonly #dialling = new Set<AbortController>();
  readonly #inbox = new Inbox(CONSUMER_CAPACITY);
  readonly #server: Server;
  #heartbeatHandler: ((rpc: RPC) => void) | null = null;
  /** The address that was encoded last. */
  #encoded = { address: '', bytes: utf8('') };
  #closing: Promise<void> | null = null;
  #instruments = silentNetInstruments;

  /** Starts to accept connections. Throws a `RaftError` (`ERR_INVALID_CONFIG`) for a bad number. */
  constructor(config: NetworkTransportConfig) {
    this.#stream = config.stream;
    this.#clock = config.clock ?? systemClock;
    this.#logger = config.logger ?? newDefaultLogger();
    this.#timeoutMs = config.timeout;
    if (!(config.timeout >= 0)) {
      throw new RaftError('ERR_INVALID_CONFIG', `timeout must be 0 or more, got ${config.timeout}`);
    }
    const inFlight = wholeNumber('maxRPCsInFlight', config.maxRPCsInFlight ?? 0);
    this.#maxInFlight = inFlight === 0 ? UNSAID_RPCS_IN_FLIGHT : inFlight;
    this.#timeFormat = config.msgpackUseNewTimeFormat === true ? 'compact' : 'binary';
    this.#provider = config.serverAddressProvider;
    this.#pool = new ConnectionPool(wholeNumber('maxPool', config.maxPool));
    this.#server = new Server(this.#stream, {
      inbox: this.#inbox,
      clock: this.#clock,
      logger: this.#logger,
      timeFormat: this.#timeFormat,
      heartbeatHandler: () => this.#heartbeatHandler,
      instruments: () => this.#instruments,
    });
  }

  consumer(): Channel<RPC> {
    return this.#inbox;
  }

  localAddr(): ServerAddress {
    return this.#stream.addr();
  }

  /**
   * Heartbeats go to `handler` at once, beside requests that wait for the node.
   * Go: `NetworkTransport.SetHeartbeatHandler`.
   */
  setHeartbeatHandler(handler: ((rpc: RPC) => void) | null): void {
    this.#heartbeatHandler = handler;
  }

  /** Measures requests from now on; a node calls it with its own meter when it starts. */
  useMeter(meter: Meter): void {
    this.#instruments = netInstruments(meter);
  }

  /** True from the call of {@link NetworkTransport.close} on. Go: `IsShutdown`. */
  isShutdown(): boolean {
    return this.#closing !== null;
  }

  /** Idle connections to an address. Beyond Go. */
  pooledConnections(target: ServerAddress): number {
    return this.#pool.idleCount(target);
  }

  /**
   * The address that the provider gives for `id`, or else `addr`, as bytes.
   * Go: `NetworkTransport.EncodePeer`.
   */
  encodePeer(id: ServerID, addr: ServerAddress): Uint8Array {
    const found = this.#lookUp(id, addr);
    const address = isPromiseLike(found) ? (this.#provided.get(id) ?? addr) : found;
    // A leader asks for its own address with every request.
    if (address !== this.#encoded.address) this.#encoded = { address, bytes: utf8(address) };
    return this.#encoded.bytes;
  }

  decodePeer(bytes: Uint8Array): ServerAddress {
    return utf8ToString(bytes);
  }

  /**
   * Closes idle connections, and those of peers as soon as they are answered. Go: `CloseStreams`.
   */
  closeStreams(): void {
    for (const connection of this.#pool.takeAll()) connection.destroy(ErrTransportShutdown);
    this.#server.drainConnections();
  }

  /**
   * Closes everything: calls under way reject with `ErrTransportShutdown`, the consumer is closed.
   * Resolves when no handle and no timer is left. Go: `NetworkTransport.Close`.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async appendEntriesPipeline(id: ServerID, target: ServerAddress): Promise<AppendPipeline> {
    if (this.#maxInFlight < 2) throw ErrPipelineReplicationNotSupported;
    const connection = await this.#connect(id, target);
    const pipeline: BoundedPipeline = new BoundedPipeline(
      {
        send: (args, done) => {
          const parts = encodeParts(args, this.#timeFormat);
          connection.send(parts, this.#timeoutMs, readAppendEntriesResponse, (answer) => {
            if (connection.failure !== null) pipeline.fail(connection.failure);
            done(answer.error, answer.error === null ? answer.response : null);
          });
          return connection.writable();
        },
        close: () => connection.destroy(ErrPipelineShutdown),
      },
      { maxInFlight: this.#maxInFlight, timeoutMs: this.#timeoutMs, clock: this.#clock },
    );
    return pipeline;
  }

  appendEntries(
    id: ServerID,
    target: ServerAddress,
    args: AppendEntriesRequest,
  ): Promise<AppendEntriesResponse> {
    return this.#call(id, target, args, readAppendEntriesResponse);
  }

  requestVote(
    id: ServerID,
    target: ServerAddress,
    args: RequestVoteRequest,
  ): Promise<RequestVoteResponse> {
    return this.#call(id, target, args, readRequestVoteResponse);
  }

  requestPreVote(
    id: ServerID,
    target: ServerAddress,
    args: RequestPreVoteRequest,
  ): Promise<RequestPreVoteResponse> {
    return this.#call(id, target, args, readRequestPreVoteResponse);
  }

  timeoutNow(
    id: ServerID,
    target: ServerAddress,
    args: TimeoutNowRequest,
  ): Promise<TimeoutNowResponse> {
    return this.#call(id, target, args, readTimeoutNowResponse);
  }

  /**
   * Sends a snapshot over a connection of its own; the limit grows with its size, by
   * {@link NetworkTransport.timeoutScale}. Chunks of `data` must not change after they were given.
   * Rejects as {@link Transport.installSnapshot} does. Go: `NetworkTransport.InstallSnapshot`.
   */
  async installSnapshot(
    id: ServerID,
    target: ServerAddress,
    args: InstallSnapshotRequest,
    data: AsyncIterable<Uint8Array>,
  ): Promise<InstallSnapshotResponse> {
    const request = encodeRequest(args, this.#timeFormat);
    const connection = await this.#connect(id, target);
    const shares = Math.max(1, Math.floor(args.size / this.timeoutScale) || 1);
    const timeoutMs = this.#timeoutMs * shares;
    return sendSnapshot(connection, { request, size: args.size, data, timeoutMs });
  }

  async #call<T>(
    id: ServerID,
    target: ServerAddress,
    args: RPCRequest,
    read: ReplyReader<T>,
  ): Promise<T> {
    const parts = encodeParts(args, this.#timeFormat);
    const connection = await this.#connect(id, target);
    return new Promise((resolve, reject) => {
      connection.send(parts, this.#timeoutMs, read, (answer) => {
        if (!this.#pool.put(connection)) connection.destroy(ErrTransportShutdown);
        if (answer.error !== null) reject(answer.error);
        else resolve(answer.response);
      });
    });
  }

  /** A connection to a server that nobody else uses. */
  async #connect(id: ServerID, target: ServerAddress): Promise<ClientConnection> {
    const found = this.#lookUp(id, target);
    const address = isPromiseLike(found) ? await found : found;
    if (this.isShutdown()) throw ErrTransportShutdown;
    const pooled = this.#pool.take(address);
    if (pooled !== undefined) return pooled;
    const stream = await this.#dial(address);
    const connection = new ClientConnection(address, stream, this.#clock);
    this.#connections.add(connection);
    connection.onBroken(() => this.#pool.forget(connection));
    void stream.closed.then(() => this.#connections.delete(connection));
    return connection;
  }

  async #dial(address: ServerAddress): Promise<StreamConnection> {
    const abort = new AbortController();
    this.#dialling.add(abort);
    try {
      const stream = await this.#stream.dial(address, this.#timeoutMs, abort.signal);
      if (!this.isShutdown()) return stream;
      stream.destroy();
    } catch (error) {
      if (!this.isShutdown()) throw error;
    } finally {
      this.#dialling.delete(abort);
    }
    throw ErrTransportShutdown;
  }

  #lookUp(id: ServerID, fallback: ServerAddress): ServerAddress | Promise<ServerAddress> {
    if (this.#provider === undefined) return fallback;
    const failed = (error: unknown): ServerAddress => {
      this.#logger.warn(
        { id, fallback, error },
        'unable to get address for server, using fallback address',
      );
      return fallback;
    };
    try {
      const found = this.#provider.serverAddr(id);
      if (!isPromiseLike(found)) return found;
      return found.then((address) => {
        this.#provided.set(id, address);
        return address;
      }, failed);
    } catch (error) {
      return failed(error);
    }
  }

  async #close(): Promise<void> {
    for (const dial of this.#dialling) dial.abort();
    this.#pool.takeAll();
    this.#inbox.close();
    const closing = [...this.#connections];
    for (const connection of closing) connection.destroy(ErrTransportShutdown);
    await this.#server.close();
    await Promise.all(closing.map((connection) => connection.closed));
  }
}

/**
 * A transport over any stream layer. Throws `ERR_INVALID_CONFIG` for a bad number.
 * Go: `NewNetworkTransportWithConfig`.
 */
export function newNetworkTransportWithConfig(config: NetworkTransportConfig): NetworkTransport {
  return new NetworkTransport(config);
}

/**
 * A transport over any stream layer. Throws `ERR_INVALID_CONFIG` for a bad number.
 *
 * @param stream listens and dials; the transport closes it
 * @param maxPool idle connections kept for each peer, 0 or more
 * @param timeout limit for a call, in milliseconds; 0 for none
 * @param log a logger, or where the lines of the default one go; the console when absent
 *
 * Go: `NewNetworkTransport` and `NewNetworkTransportWithLogger`.
 */
export function newNetworkTransport(
  stream: StreamLayer,
  maxPool: number,
  timeout: number,
  log?: Logger | LineOutput | null,
): NetworkTransport {
  return new NetworkTransport({ stream, maxPool, timeout, ...loggerOf(log) });
}

/**
 * {@link newNetworkTransport} with a logger, and its errors. Go: `NewNetworkTransportWithLogger`.
 */
export function newNetworkTransportWithLogger(
  stream: StreamLayer,
  maxPool: number,
  timeout: number,
  logger: Logger,
): NetworkTransport {
  return new NetworkTransport({ stream, maxPool, timeout, logger });
}
