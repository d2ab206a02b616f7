import { describe, expect, it } from 'vitest';
import { systemClock } from '../internal/clock.ts';
import { systemRandom } from '../internal/random.ts';
import { type Config, clockOf, defaultConfig, randomOf, validateConfig } from './config.ts';
import { RaftError } from './errors.ts';
import { silentMeter } from './metrics.ts';

function config(changes: Partial<Config> = {}): Config {
  return { ...defaultConfig(), localID: 'a', ...changes };
}

function complaint(changes: object): unknown {
  try {
    validateConfig({ ...config(), ...changes });
  } catch (error) {
    expect(error).toBeInstanceOf(RaftError);
    expect(error).toMatchObject({ code: 'ERR_INVALID_CONFIG' });
    return error instanceof Error ? error.message : error;
  }
  return undefined;
}

describe('defaultConfig', () => {
  it('has hashicorp’s values (S6)', () => {
    expect(defaultConfig()).toEqual({
      protocolVersion: 3,
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
    });
  });

  it('needs only a name to be valid', () => {
    expect(() => validateConfig(defaultConfig())).toThrow('LocalID cannot be empty');
    expect(() => validateConfig(config())).not.toThrow();
  });
});

describe('validateConfig', () => {
  it.each([
    [{ protocolVersion: 0 }, 'ProtocolVersion 0 must be >= 1 and <= 3'],
    [{ protocolVersion: 4 }, 'ProtocolVersion 4 must be >= 1 and <= 3'],
    [{ localID: '' }, 'LocalID cannot be empty'],
    [{ heartbeatTimeout: 4.9 }, 'HeartbeatTimeout is too low'],
    [{ electionTimeout: 4.9 }, 'ElectionTimeout is too low'],
    [{ commitTimeout: 0.9 }, 'CommitTimeout is too low'],
    [{ maxAppendEntries: 0 }, 'MaxAppendEntries must be positive'],
    [{ maxAppendEntries: 1025 }, 'MaxAppendEntries is too large'],
    [{ snapshotInterval: 4.9 }, 'SnapshotInterval is too low'],
    [{ leaderLeaseTimeout: 4.9 }, 'LeaderLeaseTimeout is too low'],
    [{ diskTimeout: 4.9 }, 'DiskTimeout is too low'],
    [
      { leaderLeaseTimeout: 1500 },
      'LeaderLeaseTimeout (1.5s) cannot be larger than heartbeat timeout (1s)',
    ],
    [
      { electionTimeout: 999 },
      'ElectionTimeout (999ms) must be equal or greater than Heartbeat Timeout (1s)',
    ],
  ])('refuses %o in Go’s words (S7)', (changes, message) => {
    expect(complaint(changes)).toBe(message);
  });

  it('names the first fault, in Go’s order', () => {
    const fields = [
      ['protocolVersion', 0],
      ['localID', ''],
      ['heartbeatTimeout', 1],
      ['electionTimeout', 1],
      ['commitTimeout', 0],
      ['maxAppendEntries', 0],
      ['snapshotInterval', 1],
      ['leaderLeaseTimeout', 1],
    ] as const;
    const first = /^(ProtocolVersion|LocalID|Heartbeat|Election|Commit|MaxAppend|Snapshot|Leader)/;
    const order = fields.map((_, i) => String(complaint(Object.fromEntries(fields.slice(i)))));
    expect(order.map((message) => first.exec(message)?.[1])).toEqual([
      'ProtocolVersion',
      'LocalID',
      'Heartbeat',
      'Election',
      'Commit',
      'MaxAppend',
      'Snapshot',
      'Leader',
    ]);
  });

  it('takes the limits themselves', () => {
    const shortest = { heartbeatTimeout: 5, electionTimeout: 5, leaderLeaseTimeout: 5 };
    const least = { commitTimeout: 1, maxAppendEntries: 1, snapshotInterval: 5 };
    expect(complaint({ ...shortest, ...least })).toBeUndefined();
    expect(complaint({ maxAppendEntries: 1024, protocolVersion: 1 })).toBeUndefined();
    expect(complaint({ snapshotThreshold: 0, trailingLogs: 0 })).toBeUndefined();
    expect(complaint({ diskTimeout: 5 })).toBeUndefined();
  });

  it.each([
    [{ heartbeatTimeout: Number.NaN }, 'heartbeatTimeout must be a finite number, got NaN'],
    [{ snapshotInterval: Number.POSITIVE_INFINITY }, /snapshotInterval must be a finite/],
    [{ diskTimeout: Number.NaN }, 'diskTimeout must be a finite number, got NaN'],
    [{ commitTimeout: '50' }, 'commitTimeout must be a finite number, got 50'],
    [{ protocolVersion: undefined }, /protocolVersion must be a finite number, got undefined/],
    [{ trailingLogs: 1.5 }, 'trailingLogs must be a whole number, got 1.5'],
    [{ trailingLogs: -1 }, 'trailingLogs must be 0 or more, got -1'],
    [{ snapshotThreshold: -1 }, 'snapshotThreshold must be 0 or more, got -1'],
    [{ snapshotThreshold: 2 ** 53 }, /snapshotThreshold must be a whole number/],
    [{ maxAppendEntries: 2.5 }, 'maxAppendEntries must be a whole number, got 2.5'],
    [{ localID: 7 }, 'localID must be a string, got 7'],
  ])('refuses %o, which Go’s compiler would', (changes, message) => {
    expect(complaint(changes)).toMatch(message);
  });

  it('refuses what is no config at all', () => {
    const validate: (value: never) => void = validateConfig;
    const nothing = [null, undefined, 'config'] as never[];
    for (const value of nothing) {
      expect(() => validate(value)).toThrow(
        /config must be an object as defaultConfig\(\) makes it/,
      );
    }
  });
});

describe('the ports of a config', () => {
  it('include a meter that can make every instrument', () => {
    const validate: (value: never) => void = validateConfig;
    validateConfig(config({ meter: silentMeter }));
    for (const meter of [null, 'otel', {}, { ...silentMeter, createGauge: 1 }]) {
      expect(() => validate({ ...config(), meter } as never)).toThrow(
        /meter must have createCounter/,
      );
    }
  });

  it('are the machine’s unless they are given', () => {
    expect(clockOf(config())).toBe(systemClock);
    expect(randomOf(config())).toBe(systemRandom);
    const random = { next: () => 0 };
    expect(randomOf(config({ random }))).toBe(random);
    const clock = { ...systemClock };
    expect(clockOf(config({ clock }))).toBe(clock);
  });
});
