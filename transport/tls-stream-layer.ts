import { constants, createPrivateKey, X509Certificate } from 'node:crypto';
import net from 'node:net';
import tls from 'node:tls';
import type { ServerAddress } from '../raft/configuration.ts';
import { asError, RaftError } from '../raft/errors.ts';
import type { Logger } from '../raft/logger.ts';
import { AcceptQueue } from './accept-queue.ts';
import { newDefaultLogger } from './loggers.ts';
import { NetworkTransport } from './network-transport.ts';
import type { NetworkTransportConfig } from './network-transport-config.ts';
import { joinHostPort, listenOn, splitHostPort } from './socket-address.ts';
import { opened, readableError, SocketConnection, socketOptions } from './socket-connection.ts';
import type { StreamConnection, StreamLayer } from './stream-layer.ts';

/** Time for a handshake when nothing is said of it. */
const DEFAULT_HANDSHAKE_TIMEOUT_MS = 10_000;
/** What both ends call the protocol inside, so that a server of another kind is not mistaken. */
const ALPN_PROTOCOL = 'raft';

type MinVersion = 'TLSv1.2' | 'TLSv1.3';

/** PEM text, as a string or as the bytes of a file. */
export type PEM = string | Buffer;

/** Who a member is, and whom it believes. */
export interface TLSCredentials {
  /** The authorities that sign members; no other certificate counts, the system's do not. */
  readonly ca: PEM | PEM[];
  /** This member's certificate, and after it those between it and the authority. */
  readonly cert: PEM;
  /** The private key of the certificate. */
  readonly key: PEM;
  /** Opens the private key, when it is encrypted. */
  readonly passphrase?: string;
  /** Certificates that count no more, as lists signed by the authorities. */
  readonly crl?: PEM | PEM[];
}

/** How a {@link TLSStreamLayer} behaves. */
export interface TLSOptions extends TLSCredentials {
  /**
   * A name that every member's certificate must carry, whoever dials whom, such as
   * `server.raft.internal`. Without it the one who dials wants the host that it dialled, and the
   * one who is dialled takes every certificate that the authorities signed.
   */
  readonly serverName?: string;
  /** The oldest version that is spoken. Default `TLSv1.3`. */
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3';
  /** Limit for a handshake, in milliseconds, more than 0. Default 10,000. */
  readonly handshakeTimeout?: number;
  /** Has a line for every peer that is refused. Default: hclog's lines on the console. */
  readonly logger?: Logger;
}

function invalid(text: string, cause?: Error): RaftError {
  return new RaftError('ERR_INVALID_CONFIG', text, cause === undefined ? {} : { cause });
}

/** Without authorities of our own, Node would believe those of the system: everybody. */
function checkAuthorities(ca: PEM | PEM[]): void {
  const authorities = Array.isArray(ca) ? ca : [ca];
  if (authorities.length === 0) throw invalid('ca must name an authority, got an empty list');
  for (const authority of authorities) {
    try {
      new X509Certificate(authority);
    } catch (error) {
      throw invalid('ca must be a certificate in PEM, got something else', asError(error));
    }
  }
}

/** What both ends of a handshake use; throws when it cannot. */
function contextOf(credentials: TLSCredentials, minVersion: MinVersion): tls.SecureContextOptions {
  const { ca, cert, key, passphrase, crl } = credentials;
  checkAuthorities(ca);
  const options = {
    ca,
    cert,
    key,
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(crl === undefined ? {} : { crl }),
    minVersion,
    // Every connection shows its certificate anew; none comes back on the strength of an old one.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
  try {
    new X509Certificate(cert);
    createPrivateKey(passphrase === undefined ? key : { key, passphrase });
    tls.createSecureContext(options);
  } catch (error) {
    const cause = readableError(asError(error));
    throw invalid(`cert and key must be PEM and belong together: ${cause.message}`, cause);
  }
  return options;
}

/** Where a socket comes from. One that failed has forgotten it, but the socket beneath has not. */
function remoteAddressOf(socket: net.Socket): ServerAddress {
  for (const known of [socket, Reflect.get(socket, '_parent')]) {
    if (known instanceof net.Socket && known.remoteAddress !== undefined) {
      return joinHostPort(known.remoteAddress, known.remotePort ?? 0);
    }
  }
  return 'unknown';
}

/** Why a peer was refused: its certificate, if that was looked at, or else what went wrong. */
function refusalOf(socket: tls.TLSSocket, error: Error): Error {
  // Its type promises an error; it is the code of OpenSSL.
  const verdict: unknown = socket.authorizationError;
  if (verdict === null || verdict === undefined) return readableError(error);
  const text = `expected a valid certificate of the peer: ${String(verdict)}`;
  return new RaftError('ERR_TLS', text, { cause: error });
}

/**
 * TCP with TLS, in which both ends show a certificate. A peer whose certificate is missing, signed
 * by another authority, out of date or made out to another name has its connection closed before
 * a byte of it is read, and a line in the log. Made by {@link newTLSStreamLayer}. Beyond Go.
 */
export class TLSStreamLayer implements StreamLayer {
  readonly #server: tls.Server;
  readonly #address: ServerAddress;
  readonly #accepted = new AcceptQueue();
  readonly #logger: Logger;
  readonly #handshakeTimeoutMs: number;
  readonly #serverName: string | undefined;
  readonly #minVersion: MinVersion;
  /** Connections in the middle of a handshake, by where they come from. */
  readonly #shaking = new Map<ServerAddress, net.Socket>();
  #context: tls.SecureContext;

  /** @internal */
  constructor(server: tls.Server, address: ServerAddress, options: CheckedOptions) {
    this.#server = server;
    this.#address = address;
    this.#logger = options.logger ?? newDefaultLogger();
    this.#handshakeTimeoutMs = options.handshakeTimeout;
    this.#serverName = options.serverName;
    this.#minVersion = options.minVersion;
    this.#context = tls.createSecureContext(options.context);
    server.on('connection', (socket: net.Socket) => this.#connected(socket));
    server.on('secureConnection', (socket) => this.#secured(socket));
    server.on('tlsClientError', (error, socket) => this.#refuse(socket, refusalOf(socket, error)));
    server.on('error', (error) => this.#accepted.fail(error));
  }

  /** The next connection whose peer has shown a valid certificate. */
  accept(): Promise<StreamConnection> {
    return this.#accepted.next();
  }

  /** The advertised address, or else the bound one. */
  addr(): ServerAddress {
    return this.#address;
  }

  /** Stops listening and ends handshakes; connections that were accepted stay. */
  async close(): Promise<void> {
    this.#server.close();
    for (const socket of this.#shaking.values()) socket.destroy();
    this.#accepted.close();
  }

  /**
   * Opens a connection. With TLS 1.3 the peer looks at our certificate afterwards: one that it
   * refuses makes the first call fail, not this.
   *
   * @param timeout limit in milliseconds for everything; 0 for that of a handshake
   * @param signal gives up when aborted
   *
   * Throws a `RaftError`: `ERR_INVALID_ADDRESS`, or `ERR_DIAL` with the reason: that of the system,
   * or what is wrong with the peer's certificate.
   */
  async dial(
    address: ServerAddress,
    timeout: number,
    signal?: AbortSignal,
  ): Promise<StreamConnection> {
    const { host, port } = splitHostPort(address);
    const name = this.#serverName ?? host;
    const options = {
      ...socketOptions,
      host,
      port,
      ...(net.isIP(name) === 0 ? { servername: name } : {}),
      checkServerIdentity: (_host: string, certificate: tls.PeerCertificate) =>
        tls.checkServerIdentity(name, certificate),
      secureContext: this.#context,
      // Unless it is said here, NODE_TLS_REJECT_UNAUTHORIZED=0 has every server believed.
      rejectUnauthorized: true,
      ALPNProtocols: [ALPN_PROTOCOL],
    };
    const socket = tls.connect(options);
    socket.setNoDelay(socketOptions.noDelay);
    socket.setKeepAlive(socketOptions.keepAlive, socketOptions.keepAliveInitialDelay);
    const timeoutMs = timeout > 0 ? timeout : this.#handshakeTimeoutMs;
    return opened(socket, { address, event: 'secureConnect', timeoutMs, signal });
  }

  /**
   * Uses other credentials for connections that are opened from now on, so that a certificate can
   * be replaced while the node runs. Those that stand go on.
   *
   * Throws a `RaftError` (`ERR_INVALID_CONFIG`) for what cannot be used; then nothing changes.
   */
  setCredentials(credentials: TLSCredentials): void {
    const context = contextOf(credentials, this.#minVersion);
    this.#context = tls.createSecureContext(context);
    this.#server.setSecureContext(context);
  }

  #connected(socket: net.Socket): void {
    const address = remoteAddressOf(socket);
    this.#shaking.set(address, socket);
    socket.once('close', () => {
      if (this.#shaking.get(address) === socket) this.#shaking.delete(address);
    });
  }

  #secured(socket: tls.TLSSocket): void {
    this.#shaking.delete(remoteAddressOf(socket));
    const connection = new SocketConnection(socket);
    const name = this.#serverName;
    const wrongName =
      name === undefined ? undefined : tls.checkServerIdentity(name, socket.getPeerCertificate());
    if (wrongName === undefined) this.#accepted.push(connection);
    else this.#refuse(socket, wrongName);
  }

  #refuse(socket: tls.TLSSocket, error: Error): void {
    const fields = { 'remote-address': remoteAddressOf(socket), error };
    this.#logger.warn(fields, 'refused connection');
    socket.destroy();
  }
}

/** Options with their defaults, after they were looked at. */
interface CheckedOptions {
  readonly context: tls.SecureContextOptions;
  readonly minVersion: MinVersion;
  readonly handshakeTimeout: number;
  readonly serverName: string | undefined;
  readonly logger: Logger | undefined;
}

function checked(options: TLSOptions): CheckedOptions {
  const { minVersion = 'TLSv1.3', handshakeTimeout = DEFAULT_HANDSHAKE_TIMEOUT_MS } = options;
  if (!(Number.isFinite(handshakeTimeout) && handshakeTimeout > 0)) {
    throw invalid(`handshakeTimeout must be more than 0, got ${handshakeTimeout}`);
  }
  const context = contextOf(options, minVersion);
  const { serverName, logger } = options;
  return { context, minVersion, handshakeTimeout, serverName, logger };
}

/**
 * Listens on a TCP address for peers that show a certificate.
 *
 * @param bindAddr `host:port` or `[ipv6]:port`; port 0 lets the system choose
 * @param advertise the address that peers are told; `null` for the bound one
 * @param options who this member is and whom it believes
 *
 * Rejects with a `RaftError`: `ERR_INVALID_CONFIG` for options that cannot be used, before anything
 * listens, `ERR_NOT_ADVERTISABLE` when there is no concrete address to tell peers; and with the
 * system's error when the address cannot be bound. Beyond Go.
 */
export async function newTLSStreamLayer(
  bindAddr: string,
  advertise: ServerAddress | null,
  options: TLSOptions,
): Promise<TLSStreamLayer> {
  const settings = checked(options);
  const server = tls.createServer({
    ...socketOptions,
    ...settings.context,
    requestCert: true,
    rejectUnauthorized: true,
    handshakeTimeout: settings.handshakeTimeout,
    ALPNProtocols: [ALPN_PROTOCOL],
  });
  const address = await listenOn(server, bindAddr, advertise);
  return new TLSStreamLayer(server, address, settings);
}

/**
 * A transport over TLS in which both ends show a certificate: `newTCPTransportWithConfig` over a
 * {@link TLSStreamLayer}. Beyond Go, where a user writes the stream layer.
 *
 * @param bindAddr `host:port` or `[ipv6]:port`; port 0 lets the system choose
 * @param advertise the address that peers are told; `null` for the bound one
 * @param tls who this member is and whom it believes
 * @param config everything else; its logger has the lines about peers that are refused as well
 *
 * Rejects as {@link newTLSStreamLayer} does, and as {@link NetworkTransport} throws.
 *
 * @example
 * ```ts
 * import { readFileSync } from 'node:fs';
 * import { newTLSTransport } from 'quorate/transport';
 *
 * export const openTransport = () =>
 *   newTLSTransport(
 *     '10.0.0.1:7000',
 *     null,
 *     {
 *       ca: readFileSync('ca.pem'),
 *       cert: readFileSync('n1.pem'),
 *       key: readFileSync('n1-key.pem'),
 *       serverName: 'server.raft.internal',
 *     },
 *     { maxPool: 3, timeout: 10_000 },
 *   );
 * ```
 */
export async function newTLSTransport(
  bindAddr: string,
  advertise: ServerAddress | null,
  tls: TLSOptions,
  config: Omit<NetworkTransportConfig, 'stream'>,
): Promise<NetworkTransport> {
  const { logger } = config;
  const options = logger === undefined ? tls : { logger, ...tls };
  const stream = await newTLSStreamLayer(bindAddr, advertise, options);
  try {
    return new NetworkTransport({ ...config, stream });
  } catch (error) {
    await stream.close();
    throw error;
  }
}
