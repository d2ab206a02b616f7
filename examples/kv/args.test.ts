import { describe, expect, it } from 'vitest';
import { isUnspecifiedHost, parseHostPort } from './addresses.ts';
import { parseNodeArgs, UsageError } from './args.ts';
import { parseDemoArgs } from './demo-args.ts';

const good = '--id a --raft 127.0.0.1:7001 --http 127.0.0.1:8001 --data ./data/a'.split(' ');

/** The good arguments with one option changed or, without a value, left out. */
function withOption(name: string, value?: string): string[] {
  const at = good.indexOf(name);
  const rest = at < 0 ? good : good.toSpliced(at, 2);
  return value === undefined ? rest : [...rest, `${name}=${value}`];
}

describe('the command line of a node', () => {
  it('is read whole', () => {
    const options = parseNodeArgs([...good, '--bootstrap', '--map-size', '1048576']);
    expect(options).toMatchObject({
      id: 'a',
      raft: '127.0.0.1:7001',
      raftAdvertise: '127.0.0.1:7001',
      http: { host: '127.0.0.1', port: 8001 },
      httpAdvertise: '127.0.0.1:8001',
      dataDir: './data/a',
      bootstrap: true,
      join: undefined,
      logLevel: 'INFO',
      mapSize: 1_048_576,
    });
  });

  it('gives help', () => {
    expect(parseNodeArgs(['--help'])).toBe('help');
    expect(parseDemoArgs(['--help'])).toBe('help');
  });

  it.each([
    [withOption('--id'), '--id is required'],
    [withOption('--raft'), '--raft is required'],
    [withOption('--http'), '--http is required'],
    [withOption('--data'), '--data is required'],
    [withOption('--id', 'a/b'), '--id: expected letters'],
    [withOption('--raft', '127.0.0.1'), '--raft: expected host:port'],
    [withOption('--raft', '127.0.0.1:0'), '--raft: expected host:port'],
    [withOption('--raft', '127.0.0.1:65536'), '--raft: expected host:port'],
    [withOption('--raft', '0.0.0.0:7001'), '--raft-advertise: expected an address others can'],
    [withOption('--http', '[::]:8001'), '--http-advertise: expected an address others can reach'],
    [withOption('--join', 'nowhere'), '--join: expected a URL'],
    [withOption('--log-level', 'loud'), '--log-level: expected trace, debug'],
    [withOption('--snapshot-threshold', '-1'), '--snapshot-threshold: expected a whole number'],
    [withOption('--trailing-logs', '1e3'), '--trailing-logs: expected a whole number'],
    [withOption('--heartbeat-timeout', '4'), '--heartbeat-timeout: expected a whole number of 5'],
    [withOption('--map-size', '1000'), '--map-size: expected a whole number of 1048576'],
    [[...good, '--bootstrap', '--join', 'http://127.0.0.1:1'], 'give only one'],
    [[...good, '--bootstrp'], '--bootstrp'],
    [[...good, 'stray'], 'stray'],
    [[...good, '--id'], '--id'],
  ])('refuses %#', (argv, message) => {
    expect(() => parseNodeArgs(argv)).toThrow(UsageError);
    expect(() => parseNodeArgs(argv)).toThrow(message);
  });
});

describe('the command line of the demo', () => {
  it('is read whole', () => {
    expect(parseDemoArgs(['--exit', '--fresh', '--limit', '10', '--data', 'x'])).toEqual({
      exit: true,
      fresh: true,
      limit: 10,
      dataDir: 'x',
    });
  });

  it.each([
    [['--limit', '0'], '--limit: expected a whole number of 1'],
    [['--limit', 'all'], '--limit: expected a whole number'],
    [['--data='], '--data: expected a directory'],
    [['--fast'], '--fast'],
  ])('refuses %j', (argv, message) => {
    expect(() => parseDemoArgs(argv)).toThrow(UsageError);
    expect(() => parseDemoArgs(argv)).toThrow(message);
  });
});

describe('addresses', () => {
  it.each([
    ['127.0.0.1:8001', '127.0.0.1', 8001],
    ['[::1]:65535', '::1', 65_535],
    ['db-1.example:1', 'db-1.example', 1],
  ])('%s', (text, host, port) => {
    expect(parseHostPort(text)).toEqual({ host, port });
  });

  it.each(['', ':1', 'a:', 'a:0', 'a:1:2', '::1:1', 'http://a:1', 'a b:1', 'u@a:1', 'a:1 '])(
    'not %j',
    (text) => {
      expect(parseHostPort(text)).toBeUndefined();
    },
  );

  it('knows which mean every interface', () => {
    expect(['0.0.0.0', '::', '0:0:0:0:0:0:0:0'].map(isUnspecifiedHost)).not.toContain(false);
    expect(['127.0.0.1', '::1', 'a'].map(isUnspecifiedHost)).not.toContain(true);
  });
});
