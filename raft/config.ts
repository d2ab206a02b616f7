import type { Channel } from '../internal/channel.ts';
import { type Clock, hasFakeTimers, systemClock } from '../internal/clock.ts';
import { formatDuration } from '../internal/duration.ts';
import { type Random, systemRandom } from '../internal/random.ts';
import type { ServerID } from './configuration.ts';
import { RaftError } from './errors.ts';
import type { LineOutput } from './line-logger.ts';
import { type Logger, silentLogger } from './logger.ts';
import { type ProtocolVersion, ProtocolVersionMax } from './messages.ts';
import { isMeter, type Meter } from './metrics.ts';

/**
 * Commands above this size slow replication down; advisory, never enforced. In bytes.
 * Go: `SuggestedMaxDataSize`.
 */
export const SuggestedMaxDataSize = 512 * 1024;

/** Names of the log levels, in hclog's spelling. */
export type LogLevel = 'TRACE' | 'DEBUG' | 'INFO' | 'WARN' | 'ERROR' | 'OFF';

/**
 * How a node behaves. Durations are milliseconds. Start from {@link defaultConfig}. Go: `Config`.
 */
export interface Config {
  /** 1 to 3. Default 3. */
  protocolVersion: ProtocolVersion;
  /** Silence of the leader after which a follower stands for election; at least 5. Default 1000. */
  heartbeatTimeout: number;
  /** Time a candidate waits for votes; at least `heartbeatTimeout`. Default 1000. */
  electionTimeout: number;
  /**
   * Time after which followers learn of a commit when nothing else is sent; at least 1. Default 50.
   */
  commitTimeout: number;
  /** Entries in one AppendEntries, and in one FSM batch; 1 to 1024. Default 64. */
  maxAppendEntries: number;
  /**
   * Without effect, for Go's sake: `apply()` never holds its caller up, and 65,536 calls may wait.
   * Default false.
   */
  batchApplyCh: boolean;
  /** A leader that was removed shuts itself down. Default true. */
  shutdownOnRemove: boolean;
  /**
   * Entries kept after a snapshot, so that a slow follower need not take the snapshot; 0 or more.
   * Default 10240.
   */
  trailingLogs: number;
  /** How often (this to twice this) a snapshot is considered; at least 5. Default 120 000. */
  snapshotInterval: number;
  /** Entries since the last snapshot that make a new one worthwhile; 0 or more. Default 8192. */
  snapshotThreshold: number;
  /** Time a leader may go without a quorum; at least 5, at most `heartbeatTimeout`. Default 500. */
  leaderLeaseTimeout: number;
  /** The node's unique name, kept for ever. Required. */
  localID: ServerID;
  /**
   * Receives true on gaining and false on losing leadership, every change in order; the node does
   * not wait for its reader. Of more than 1,024 changes that nobody reads the oldest are forgotten.
   */
  notifyCh?: Channel<boolean>;
  /** Where the default logger writes; standard error when absent. */
  logOutput?: LineOutput;
  /** Level of the default logger. Default "DEBUG". */
  logLevel: LogLevel;
  /** A pino logger or anything of its shape; when set, `logOutput` and `logLevel` do nothing. */
  logger?: Logger;
  /** Starts without giving the newest snapshot to the FSM: for an FSM that is durable itself. */
  noSnapshotRestoreOnStart: boolean;
  /** Turns pre-vote off. Default false. */
  preVoteDisabled: boolean;
  /** Leaves out the metric names that carry a peer's id. Default false. */
  noLegacyTelemetry: boolean;
  /**
   * Beyond Go: how long a store may take for one write, or one read of entries, in milliseconds; at
   * least 5. A disk that has not answered by then is taken for dead: the node stops, a leader gives
   * up its office with it, and it stays stopped until it is started again (raft#503). To close a
   * snapshot, and so to sync all of it, takes ten times as long at most. Default: ten election
   * timeouts, and at least 10 000.
   */
  diskTimeout?: number;
  /**
   * Beyond Go, which has one sink for the whole process: where metrics go; a meter of OpenTelemetry
   * is one. Default: the meter of the OpenTelemetry SDK that the application has installed, or will
   * install.
   */
  meter?: Meter;
  /** Beyond Go: where time comes from. Default: the machine. */
  clock?: Clock;
  /**
   * Beyond Go: a node without a `clock` of its own that is made while a test has replaced the
   * timers of the platform (`vi.useFakeTimers()`) would hang, or run ahead of its disk and network.
   * True refuses to start it with `ERR_FAKE_TIMERS`; else it is only warned of. For such tests
   * there are `newVirtualClock` and `FakeRaft` of `quorate/testing`. Default: false.
   */
  strictTestGuard?: boolean;
  /** Beyond Go: where randomness comes from; each node needs its own. Default: the platform. */
  random?: Random;
}

/**
 * What may be changed while a node runs, with the units and limits of {@link Config}. All five are
 * taken over, so start from `reloadableConfig()`. Go: `ReloadableConfig`.
 */
export interface ReloadableConfig {
  /** Entries kept after a snapshot; taken into account when the next one is complete. */
  trailingLogs: number;
  /** How often a snapshot is considered, in milliseconds; counts after the wait under way. */
  snapshotInterval: number;
  /** Entries since the last snapshot that make a new one worthwhile. */
  snapshotThreshold: number;
  /** Silence of the leader after which a follower stands for election, in milliseconds. */
  heartbeatTimeout: number;
  /** Time a candidate waits for votes, in milliseconds; at least `heartbeatTimeout`. */
  electionTimeout: number;
}

/** A config with hashicorp's defaults. `localID` must still be set. Go: `DefaultConfig`. */
export function defaultConfig(): Config {
  return {
    protocolVersion: ProtocolVersionMax,
    heartbeatTimeout: 1000,
    electionTimeout: 1000,
    commitTimeout: 50,
    maxAppendEntries: 64,
    batchApplyCh: false,
    shutdownOnRemove: true,
    trailingLogs: 10_240,
    snapshotInterval: 120_000,
    snapshotThreshold: 8192,
    leaderLeaseTimeout: 500,
    localID: '',
    logLevel: 'DEBUG',
    noSnapshotRestoreOnStart: false,
    preVoteDisabled: false,
    noLegacyTelemetry: false,
  };
}

/** The part of a config that may be changed while a node runs. Go: `fromConfig`. */
export function reloadableOf(config: ReloadableConfig): ReloadableConfig {
  if (typeof config !== 'object' || config === null) {
    refuse(`config must be an object as reloadableConfig() makes it, got ${String(config)}`);
  }
  const { trailingLogs, snapshotInterval, snapshotThreshold } = config;
  const { heartbeatTimeout, electionTimeout } = config;
  return { trailingLogs, snapshotInterval, snapshotThreshold, heartbeatTimeout, electionTimeout };
}

function refuse(message: string): never {
  throw new RaftError('ERR_INVALID_CONFIG', message);
}

const numericFields = [
  'protocolVersion',
  'heartbeatTimeout',
  'electionTimeout',
  'commitTimeout',
  'maxAppendEntries',
  'trailingLogs',
  'snapshotInterval',
  'snapshotThreshold',
  'leaderLeaseTimeout',
] as const;

function checkNumber(field: string, value: unknown): void {
  if (typeof value === 'number' && Number.isFinite(value)) return;
  refuse(`${field} must be a finite number, got ${String(value)}`);
}

/** JavaScript callers can pass anything; NaN and strings would slip through every comparison. */
function checkTypes(config: Config): void {
  if (typeof config !== 'object' || config === null) {
    refuse(`config must be an object as defaultConfig() makes it, got ${String(config)}`);
  }
  for (const field of numericFields) {
    checkNumber(field, config[field]);
  }
  if (config.diskTimeout !== undefined) checkNumber('diskTimeout', config.diskTimeout);
  for (const field of ['trailingLogs', 'snapshotThreshold', 'maxAppendEntries'] as const) {
    if (!Number.isSafeInteger(config[field])) {
      refuse(`${field} must be a whole number, got ${config[field]}`);
    }
  }
  if (config.trailingLogs < 0) refuse(`trailingLogs must be 0 or more, got ${config.trailingLogs}`);
  if (config.snapshotThreshold < 0) {
    refuse(`snapshotThreshold must be 0 or more, got ${config.snapshotThreshold}`);
  }
  if (typeof config.localID !== 'string') {
    refuse(`localID must be a string, got ${String(config.localID)}`);
  }
  if (config.meter !== undefined && !isMeter(config.meter)) {
    refuse('meter must have createCounter, createGauge and createHistogram');
  }
}

/** Throws a `RaftError` (`ERR_INVALID_CONFIG`) naming the first bad field. Go: `ValidateConfig`. */
export function validateConfig(config: Config): void {
  checkTypes(config);
  if (!(config.protocolVersion >= 1 && config.protocolVersion <= ProtocolVersionMax)) {
    refuse(`ProtocolVersion ${config.protocolVersion} must be >= 1 and <= ${ProtocolVersionMax}`);
  }
  if (config.localID === '') refuse('LocalID cannot be empty');
  if (config.heartbeatTimeout < 5) refuse('HeartbeatTimeout is too low');
  if (config.electionTimeout < 5) refuse('ElectionTimeout is too low');
  if (config.commitTimeout < 1) refuse('CommitTimeout is too low');
  if (config.maxAppendEntries <= 0) refuse('MaxAppendEntries must be positive');
  if (config.maxAppendEntries > 1024) refuse('MaxAppendEntries is too large');
  if (config.snapshotInterval < 5) refuse('SnapshotInterval is too low');
  if (config.leaderLeaseTimeout < 5) refuse('LeaderLeaseTimeout is too low');
  if (config.diskTimeout !== undefined && config.diskTimeout < 5) {
    refuse('DiskTimeout is too low');
  }
  if (config.leaderLeaseTimeout > config.heartbeatTimeout) {
    refuse(
      `LeaderLeaseTimeout (${formatDuration(config.leaderLeaseTimeout)}) cannot be larger than ` +
        `heartbeat timeout (${formatDuration(config.heartbeatTimeout)})`,
    );
  }
  if (config.electionTimeout < config.heartbeatTimeout) {
    refuse(
      `ElectionTimeout (${formatDuration(config.electionTimeout)}) must be equal or greater than ` +
        `Heartbeat Timeout (${formatDuration(config.heartbeatTimeout)})`,
    );
  }
}

/** Warns of timers that are not real, or refuses them: a node on them hangs or lies. */
export function guardTimers(config: Config): void {
  if (config.clock !== undefined || !hasFakeTimers()) return;
  const text =
    'the timers of this process are fake, and this node would run on them: give it a clock ' +
    '(newVirtualClock of quorate/testing), use FakeRaft, or leave its timers real';
  if (config.strictTestGuard === true) throw new RaftError('ERR_FAKE_TIMERS', text);
  (config.logger ?? silentLogger).warn({}, text);
}

/** The clock a config asks for. */
export function clockOf(config: Config): Clock {
  return config.clock ?? systemClock;
}

/** The randomness a config asks for. */
export function randomOf(config: Config): Random {
  return config.random ?? systemRandom;
}
