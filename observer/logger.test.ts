import { spawnSync } from 'node:child_process';
import { buildSync } from 'esbuild';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { Timestamp } from '../internal/timestamp.ts';
import type { LogLevel } from '../raft/config.ts';
import { silentLogger } from '../raft/logger.ts';
import { isLoggerLike, type LoggerOptions, named, newLogger } from './logger.ts';

const clock = { wallTime: () => new Timestamp(1_795_214_119, 22e6) };

function captured(options: LoggerOptions = {}) {
  const lines: string[] = [];
  const output = { write: (line: string) => lines.push(line) };
  return { lines, logger: newLogger({ name: 'raft', clock, output, ...options }) };
}

it('writes a line of hclog with the time of its clock', () => {
  const { lines, logger } = captured();
  logger.info(
    { follower: 'Node at 127.0.0.1:7001 [Follower]', 'leader-address': '', 'leader-id': '' },
    'entering follower state',
  );
  expect(lines).toEqual([
    '2026-11-20T22:35:19.022Z [INFO]  raft: entering follower state: ' +
      'follower="Node at 127.0.0.1:7001 [Follower]" leader-address= leader-id=\n',
  ]);
});

it.each([
  ['TRACE', 5],
  ['DEBUG', 4],
  ['INFO', 3],
  ['WARN', 2],
  ['ERROR', 1],
  ['OFF', 0],
] as [LogLevel, number][])('level %s writes %i of the five levels', (level, written) => {
  const { lines, logger } = captured({ level });
  logger.trace({}, 'm');
  logger.debug({}, 'm');
  logger.info({}, 'm');
  logger.warn({}, 'm');
  logger.error({}, 'm');
  const all = ['[TRACE]', '[DEBUG]', '[INFO] ', '[WARN] ', '[ERROR]'];
  expect(lines.map((line) => line.slice(25, 32))).toEqual(all.slice(5 - written));
});

it('leaves fields called name, level, time and msg alone', () => {
  const { lines, logger } = captured();
  logger.warn({ name: '1-2-3.tmp', level: 9, time: 1, msg: 'x' }, 'found temporary snapshot');
  expect(lines[0]).toBe(
    '2026-11-20T22:35:19.022Z [WARN]  raft: found temporary snapshot: ' +
      'name=1-2-3.tmp level=9 time=1 msg=x\n',
  );
});

it('gives children their own name and keeps what they are bound to', () => {
  const { lines, logger } = captured();
  named(logger, 'raft-net').info({}, 'accepted connection');
  named(logger.child({ node: 'a' }), 'snapshot').info({ path: '/x' }, 'reaping snapshot');
  expect(lines).toEqual([
    '2026-11-20T22:35:19.022Z [INFO]  raft-net: accepted connection\n',
    '2026-11-20T22:35:19.022Z [INFO]  snapshot: reaping snapshot: node=a path=/x\n',
  ]);
});

it('takes what pino takes: text alone, an error alone, text with arguments', () => {
  const { lines, logger } = captured();
  logger.info('alone');
  logger.error(new Error('broken'));
  logger.info('%d of %d', 1, 2);
  expect(lines.map((line) => line.slice(25))).toEqual([
    '[INFO]  raft: alone\n',
    '[ERROR] raft: broken: err=broken\n',
    '[INFO]  raft: 1 of 2\n',
  ]);
});

it('writes JSON on request', () => {
  const { lines, logger } = captured({ json: true });
  logger.info({ 'percent-complete': '100.00%' }, 'snapshot restore progress');
  expect(JSON.parse(lines[0] ?? '')).toEqual({
    '@level': 'info',
    '@message': 'snapshot restore progress',
    '@module': 'raft',
    '@timestamp': '2026-11-20T22:35:19.022000Z',
    'percent-complete': '100.00%',
  });
});

it('knows a logger by its methods', () => {
  expect(isLoggerLike(pino({ level: 'silent' }))).toBe(true);
  expect(isLoggerLike(silentLogger)).toBe(true);
  expect(isLoggerLike({ write() {} })).toBe(false);
  expect(isLoggerLike({ ...silentLogger, error: 1 })).toBe(false);
  expect(isLoggerLike(null)).toBe(false);
  expect(isLoggerLike('info')).toBe(false);
});

it('names a plain pino logger by a child and leaves any other logger as it is', () => {
  const lines: string[] = [];
  const plain = pino({ base: null, timestamp: false }, { write: (line) => void lines.push(line) });
  named(plain, 'raft-net').info({ n: 1 }, 'm');
  expect(lines).toEqual(['{"level":30,"name":"raft-net","n":1,"msg":"m"}\n']);
  expect(named(silentLogger, 'raft-net')).toBe(silentLogger);
});

it('writes to standard error before the process can die', () => {
  const contents = `import { newLogger } from './logger.ts';
    newLogger({ name: 'raft' }).info({}, 'last words');
    process.kill(process.pid, 'SIGKILL');`;
  const { outputFiles } = buildSync({
    stdin: { contents, resolveDir: import.meta.dirname },
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    write: false,
  });
  const child = spawnSync(process.execPath, ['--input-type=module'], {
    input: outputFiles[0]?.text ?? '',
    encoding: 'utf8',
  });
  expect(child.signal).toBe('SIGKILL');
  expect(child.stderr).toContain('[INFO]  raft: last words\n');
});
