/**
 * How nodes talk: over TCP (or any stream of bytes) in hashicorp/raft's format, or in memory.
 *
 * @example
 * ```ts
 * import { newTCPTransport } from 'quorate/transport';
 *
 * const transport = await newTCPTransport('127.0.0.1:0', null, 3, 10_000);
 * console.log(transport.localAddr());
 * await transport.close();
 * ```
 *
 * @packageDocumentation
 */

export type { LineOutput } from '../raft/line-logger.ts';
export {
  InmemTransport,
  type InmemTransportOptions,
  newInmemAddr,
  newInmemTransport,
  newInmemTransportWithTimeout,
} from './inmem-transport.ts';
export {
  NetworkTransport,
  newNetworkTransport,
  newNetworkTransportWithConfig,
  newNetworkTransportWithLogger,
} from './network-transport.ts';
export {
  DefaultMaxRPCsInFlight,
  DefaultTimeoutScale,
  type NetworkTransportConfig,
} from './network-transport-config.ts';
export { SocketConnection } from './socket-connection.ts';
export type { StreamConnection, StreamHandler, StreamLayer } from './stream-layer.ts';
export {
  newTCPStreamLayer,
  newTCPTransport,
  newTCPTransportWithConfig,
  newTCPTransportWithLogger,
  TCPStreamLayer,
} from './tcp-stream-layer.ts';
export {
  newTLSStreamLayer,
  newTLSTransport,
  type PEM,
  type TLSCredentials,
  type TLSOptions,
  TLSStreamLayer,
} from './tls-stream-layer.ts';
