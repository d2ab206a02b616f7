import type { Clock } from '../internal/clock.ts';
import { RaftError } from '../raft/errors.ts';
import type { Logger } from '../raft/logger.ts';
import type { ServerAddressProvider } from '../raft/transport.ts';
import type { StreamLayer } from './stream-layer.ts';

/**
 * So many bytes of a snapshot get the whole timeout, twice as many twice the timeout: 256 KiB.
 * Go: `DefaultTimeoutScale`.
 */
export const DefaultTimeoutScale = 256 * 1024;
/**
 * Requests of one pipeline that Go lets be in flight when nothing is said of it: 2. Here nothing
 * means more; this is for code that names it. Go: `DefaultMaxRPCsInFlight`.
 */
export const DefaultMaxRPCsInFlight = 2;

/**
 * Requests in flight when nothing is said. A follower here brings all that has arrived to its disk
 * in one write, so more of them cost it nothing and save waits.
 */
export const UNSAID_RPCS_IN_FLIGHT = 32;

/** How a {@link NetworkTransport} is made. Go: `NetworkTransportConfig`. */
export interface NetworkTransportConfig {
  /** Looks up where a server is, each time it is called. */
  serverAddressProvider?: ServerAddressProvider;
  /** Default: hclog's lines on the console, from INFO on. */
  logger?: Logger;
  /** What carries the bytes. */
  stream: StreamLayer;
  /** Idle connections kept for each peer; 0 keeps none. */
  maxPool: number;
  /** Requests in flight in one pipeline; 0 means 32 (in Go 2), 1 turns pipelines off. */
  maxRPCsInFlight?: number;
  /** Limit for a call, in milliseconds, more for a snapshot as it is larger; 0 for none. */
  timeout: number;
  /** Writes times in the form of go-msgpack 1.1.5; both forms are always understood. */
  msgpackUseNewTimeFormat?: boolean;
  /** Beyond Go: where time comes from. Default: the machine. */
  clock?: Clock;
}

/** `value`, or a `RaftError` that names the field when it is no whole number of 0 or more. */
export function wholeNumber(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new RaftError(
    'ERR_INVALID_CONFIG',
    `${name} must be a whole number of 0 or more, got ${value}`,
  );
}
