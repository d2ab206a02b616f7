import { parseArgs } from 'node:util';
import type { LogLevel } from '../../raft/config.ts';
import { asError } from '../../raft/errors.ts';
import { type HostPort, isMemberID, isUnspecifiedHost, parseHostPort } from './addresses.ts';

/** An argument that cannot be used; the text is meant for the terminal. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** How one node is started. Durations are milliseconds. */
export interface NodeOptions {
  readonly id: string;
  /** Where the transport listens. */
  readonly raft: string;
  /** Where other nodes find it. */
  readonly raftAdvertise: string;
  readonly http: HostPort;
  /** Where callers find the HTTP server, as `host:port`. */
  readonly httpAdvertise: string;
  readonly dataDir: string;
  readonly bootstrap: boolean;
  /** A member to ask for admission. */
  readonly join: URL | undefined;
  readonly logLevel: LogLevel;
  readonly jsonLogs: boolean;
  readonly snapshotThreshold: number;
  readonly snapshotInterval: number;
  readonly trailingLogs: number;
  readonly heartbeatTimeout: number;
  readonly electionTimeout: number;
  readonly leaderLeaseTimeout: number;
  readonly applyTimeout: number;
  readonly requestTimeout: number;
  /** Most bytes the log store may take; `undefined` leaves it to the store. */
  readonly mapSize: number | undefined;
  readonly debugEndpoints: boolean;
  readonly stopWithStdin: boolean;
}

/** What `--help` prints. */
export const usage = `A replicated key-value store: one process is one node.

  node dist/examples/kv/main.js --id NAME --raft HOST:PORT --http HOST:PORT --data DIR
       [--bootstrap | --join URL] [options]

  --id NAME                   the node's name, kept for ever
  --raft HOST:PORT            where other nodes reach it
  --http HOST:PORT            where callers reach it
  --data DIR                  where its data live
  --bootstrap                 start a new cluster of this one node (ignored when data exist)
  --join URL                  ask the cluster at URL for admission (ignored when data exist)
  --raft-advertise HOST:PORT  address told to other nodes (default: that of --raft)
  --http-advertise HOST:PORT  address told to callers (default: that of --http)
  --log-level LEVEL           trace, debug, info, warn, error or off (default info)
  --json-logs                 log in JSON
  --snapshot-threshold N      entries since the last snapshot that call for a new one
  --snapshot-interval MS      how often a snapshot is considered
  --trailing-logs N           entries kept behind a snapshot
  --heartbeat-timeout MS      silence of the leader that a follower bears
  --election-timeout MS       time a candidate waits for votes
  --leader-lease-timeout MS   time a leader may be without a majority
  --apply-timeout MS          time a command may wait to be accepted
  --request-timeout MS        time after which every request is answered
  --map-size BYTES            most bytes the log store may take
  --debug-endpoints           serve GET /debug/memory (with node --expose-gc)
  --stop-with-stdin           stop when standard input ends, as it does when a parent dies
  --help                      print this
`;

const text = { type: 'string' } as const;
const flag = { type: 'boolean', default: false } as const;

const spec = {
  id: text,
  raft: text,
  http: text,
  data: text,
  bootstrap: flag,
  join: text,
  'raft-advertise': text,
  'http-advertise': text,
  'log-level': { type: 'string', default: 'info' },
  'json-logs': flag,
  'snapshot-threshold': { type: 'string', default: '8192' },
  'snapshot-interval': { type: 'string', default: '120000' },
  'trailing-logs': { type: 'string', default: '10240' },
  'heartbeat-timeout': { type: 'string', default: '1000' },
  'election-timeout': { type: 'string', default: '1000' },
  'leader-lease-timeout': { type: 'string', default: '500' },
  'apply-timeout': { type: 'string', default: '5000' },
  'request-timeout': { type: 'string', default: '10000' },
  'map-size': text,
  'debug-endpoints': flag,
  'stop-with-stdin': flag,
  help: flag,
} as const;

const logLevels: readonly LogLevel[] = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'OFF'];

/** A whole number of an argument. @throws UsageError */
export function wholeNumber(name: string, given: string, min: number, max: number): number {
  const value = /^\d+$/.test(given) ? Number(given) : Number.NaN;
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  throw new UsageError(`--${name}: expected a whole number of ${min} to ${max}, got "${given}"`);
}

function required(name: string, given: string | undefined): string {
  if (given !== undefined && given !== '') return given;
  throw new UsageError(`--${name} is required; --help says more`);
}

function memberID(given: string | undefined): string {
  const id = required('id', given);
  if (isMemberID(id)) return id;
  throw new UsageError(`--id: expected letters, digits, ".", "_" and "-", got "${id}"`);
}

function hostPort(name: string, given: string): HostPort {
  const parsed = parseHostPort(given);
  if (parsed !== undefined) return parsed;
  throw new UsageError(`--${name}: expected host:port such as 127.0.0.1:7001, got "${given}"`);
}

function advertised(name: string, given: string): string {
  const { host } = hostPort(name, given);
  if (!isUnspecifiedHost(host)) return given;
  throw new UsageError(`--${name}: expected an address others can reach, got "${given}"`);
}

function joinURL(given: string | undefined): URL | undefined {
  if (given === undefined) return undefined;
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url?.protocol === 'http:') return url;
  throw new UsageError(`--join: expected a URL such as http://127.0.0.1:8001, got "${given}"`);
}

function logLevel(given: string): LogLevel {
  const level = logLevels.find((known) => known === given.toUpperCase());
  if (level !== undefined) return level;
  throw new UsageError(
    `--log-level: expected ${logLevels.join(', ').toLowerCase()}, got "${given}"`,
  );
}

/** Parses strictly; node's own message names the argument that is not known. */
function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: spec, strict: true }).values;
  } catch (error) {
    throw new UsageError(asError(error).message);
  }
}

/** Reads a command line; `'help'` when that was asked for. @throws UsageError */
export function parseNodeArgs(argv: readonly string[]): NodeOptions | 'help' {
  const given = parse(argv);
  if (given.help) return 'help';
  if (given.bootstrap && given.join !== undefined) {
    throw new UsageError('--bootstrap starts a new cluster and --join enters one: give only one');
  }
  const milliseconds = (name: keyof typeof spec & keyof typeof given, min: number) =>
    wholeNumber(name, String(given[name]), min, 3_600_000);
  const count = (name: 'snapshot-threshold' | 'trailing-logs') =>
    wholeNumber(name, given[name], 0, Number.MAX_SAFE_INTEGER);
  const raft = required('raft', given.raft);
  hostPort('raft', raft);
  const http = required('http', given.http);
  const mapSize = given['map-size'];
  return {
    id: memberID(given.id),
    raft,
    raftAdvertise: advertised('raft-advertise', given['raft-advertise'] ?? raft),
    http: hostPort('http', http),
    httpAdvertise: advertised('http-advertise', given['http-advertise'] ?? http),
    dataDir: required('data', given.data),
    bootstrap: given.bootstrap,
    join: joinURL(given.join),
    logLevel: logLevel(given['log-level']),
    jsonLogs: given['json-logs'],
    snapshotThreshold: count('snapshot-threshold'),
    snapshotInterval: milliseconds('snapshot-interval', 5),
    trailingLogs: count('trailing-logs'),
    heartbeatTimeout: milliseconds('heartbeat-timeout', 5),
    electionTimeout: milliseconds('election-timeout', 5),
    leaderLeaseTimeout: milliseconds('leader-lease-timeout', 5),
    applyTimeout: milliseconds('apply-timeout', 1),
    requestTimeout: milliseconds('request-timeout', 1),
    mapSize: mapSize === undefined ? undefined : wholeNumber('map-size', mapSize, 2 ** 20, 2 ** 46),
    debugEndpoints: given['debug-endpoints'],
    stopWithStdin: given['stop-with-stdin'],
  };
}
