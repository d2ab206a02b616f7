import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { utf8, utf8ToString } from '../internal/bytes.ts';
import { randomInteger, seededRandom } from '../internal/random.ts';
import { newLMDBStore } from './lmdb-store.ts';

/**
 * A process of its own, which can be killed. Batch k has k % 7 + 1 entries that say
 * "k:position:size"; every fifth one takes the place of the batch before. A line is printed once a
 * batch was answered.
 */
const PROGRAM = `
import { writeSync } from 'node:fs';
import { utf8 } from './internal/bytes.ts';
import { ZERO_TIME } from './internal/timestamp.ts';
import { newLMDBStore } from './store/lmdb-store.ts';

const [mode, path, padding] = process.argv.slice(2);
const say = (text) => writeSync(1, text + '\\n');
const store = await newLMDBStore({ path });
say('open');
if (mode === 'hold') setInterval(() => {}, 1000);

const batchOf = (k, index) => {
  const size = (k % 7) + 1;
  return Array.from({ length: size }, (_, i) => {
    const data = utf8(k + ':' + i + ':' + size + ':' + ' '.repeat(Number(padding)));
    return { index: index + i, term: 1, type: 0, data, extensions: null, appendedAt: ZERO_TIME };
  });
};
let start = store.lastIndex() + 1;
let next = start;
const write = async (k) => {
  const from = k % 5 === 0 ? start : next;
  const logs = batchOf(k, from);
  say('call ' + k);
  const stored = from === next ? store.storeLogs(logs) : store.replaceTail(from, logs);
  const pair = [{ key: utf8('A'), value: k }, { key: utf8('B'), value: k }];
  await Promise.all([stored, store.setMany(pair)]);
  start = from;
  next = from + logs.length;
  say('done ' + k);
};
const first = store.getUint64(utf8('A')) + 1;
if (mode === 'write') for (let k = first; ; k += 1) await write(k);
if (mode === 'some') {
  for (let k = first; k < first + 6; k += 1) await write(k);
  await store.close();
}
if (mode === 'fill') {
  for (let k = first, failed = 0; failed < 2; k += 1) {
    try {
      await write(k);
    } catch (error) {
      failed += 1;
      say('failed ' + error.code + ' ' + error.message);
    }
  }
  await store.close();
}
`;

let program = '';
let buildPath = '';
let path = '';
const children: ChildProcess[] = [];

beforeAll(async () => {
  // Below node_modules, so that the bundle finds the native module it leaves out.
  await mkdir('node_modules/.cache', { recursive: true });
  buildPath = await mkdtemp('node_modules/.cache/quorate-crash-');
  program = join(buildPath, 'program.mjs');
  await build({
    stdin: { contents: PROGRAM, resolveDir: process.cwd(), loader: 'js' },
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['lmdb'],
    logLevel: 'error',
  });
});
afterAll(() => rm(buildPath, { recursive: true }));
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'quorate-crash-'));
});
afterEach(async () => {
  await Promise.all(children.splice(0).map(kill));
  await rm(path, { recursive: true });
});

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

function start(command: string, args: readonly string[]): ChildProcess {
  // LMDB and lmdb-js write about failures to standard error by themselves.
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  children.push(child);
  return child;
}

/** The lines a process prints, up to the first one that `isLast` names, or to its end. */
async function linesOf(child: ChildProcess, isLast: (line: string) => boolean): Promise<string[]> {
  const lines: string[] = [];
  if (child.stdout === null) throw new Error('the process has no output');
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (isLast(line)) await kill(child);
  }
  return lines;
}

function lastDone(lines: readonly string[]): number {
  const done = lines.filter((line) => line.startsWith('done '));
  return Number(done.at(-1)?.slice('done '.length) ?? 0);
}

/** Fails unless every batch up to `acknowledged` is there, and every batch whole. */
async function verify(acknowledged: number): Promise<void> {
  const store = await newLMDBStore({ path });
  try {
    const term = store.getUint64(utf8('A'));
    expect(store.getUint64(utf8('B'))).toBe(term);
    expect(term).toBeGreaterThanOrEqual(acknowledged);
    const batches: { k: number; missing: number }[] = [];
    for (let index = store.firstIndex(); index <= store.lastIndex(); index += 1) {
      const said = utf8ToString(store.getLog(index).data).split(':').map(Number);
      const [k = 0, position = 0, size = 0] = said;
      if (position === 0) batches.push({ k, missing: size });
      const batch = batches.at(-1);
      expect(batch?.k).toBe(k);
      if (batch !== undefined) batch.missing -= 1;
    }
    expect(batches.filter(({ missing }) => missing !== 0)).toEqual([]);
    expect(batches.at(-1)?.k ?? 0).toBeGreaterThanOrEqual(acknowledged);
    const present = new Set(batches.map(({ k }) => k));
    const absent = Array.from({ length: acknowledged }, (_, i) => i + 1).filter(
      (k) => !present.has(k) && k % 5 !== 4,
    );
    expect(absent).toEqual([]);
  } finally {
    await store.close();
  }
}

describe('LMDBStore in a process that is killed', () => {
  it('has every acknowledged batch, and each batch whole, life after life (S167)', async () => {
    const random = seededRandom(20);
    for (let life = 0; life < 6; life += 1) {
      const child = start(process.execPath, [program, 'write', path, '100']);
      const calls = randomInteger(random, 5, 60);
      let called = 0;
      const lines = await linesOf(child, (line) => {
        if (line.startsWith('call ')) called += 1;
        return called === calls;
      });
      const acknowledged = lastDone(lines);
      expect(acknowledged).toBeGreaterThan(life);
      await verify(acknowledged);
    }
  });

  it('is refused to others while it lives, and is free the moment it is killed', async () => {
    const child = start(process.execPath, [program, 'hold', path, '0']);
    if (child.stdout === null) throw new Error('the process has no output');
    await once(child.stdout, 'data');
    for (let attempt = 0; attempt < 2; attempt += 1) {
      await expect(newLMDBStore({ path })).rejects.toMatchObject({
        code: 'ERR_STORE_LOCKED',
        message: expect.stringContaining('it is open in another process'),
      });
    }
    await kill(child);
    const store = await newLMDBStore({ path });
    expect(store.lastIndex()).toBe(0);
    await store.close();
  });
});

describe('LMDBStore on a disk that refuses a write', () => {
  it.each([
    ['too small for a journal', 2048],
    ['with a journal', 12_288],
  ])('says so, refuses all that follows, and has what it acknowledged (%s)', async (_, blocks) => {
    // The shell lets the process write no file above this size: the same as a failing disk.
    const limited = ['-c', `ulimit -f ${blocks}; exec "$@"`, 'sh', process.execPath, program];
    const child = start('sh', [...limited, 'fill', path, '5000']);
    const lines = await linesOf(child, () => false);
    const failures = lines.filter((line) => line.startsWith('failed '));
    expect(failures).toEqual([
      expect.stringMatching(/^failed ERR_STORE_WRITE cannot write to the store at /),
      expect.stringMatching(/^failed ERR_STORE_FAILED not written, because an earlier write/),
    ]);
    expect(lastDone(lines)).toBeGreaterThan(10);
    await verify(lastDone(lines));
  });
});

/** What strace saw, one line a call, at the place where the call returned. */
function returnedCalls(trace: string): string[] {
  const begun = new Map<string, string>();
  return trace.split('\n').flatMap((line) => {
    const [pid = '', rest = ''] = line.split(/ +(.*)/);
    const unfinished = rest.match(/^(.*) <unfinished \.\.\.>$/);
    if (unfinished !== null) {
      begun.set(pid, unfinished[1] ?? '');
      return [];
    }
    const resumed = rest.match(/^<\.\.\. \w+ resumed>(.*)$/);
    return [resumed === null ? rest : (begun.get(pid) ?? '') + (resumed[1] ?? '')];
  });
}

/** What a call means for durability, in a word. `descriptor` writes through to the disk. */
function eventOf(call: string, descriptor: string | undefined): string {
  if (/^fdatasync\(\d+\) += 0$/.test(call)) return 'sync ';
  if (call.startsWith(`pwrite64(${descriptor},`)) return 'meta ';
  // The first two pages are the meta pages, of 4096 bytes or more.
  const offset = call.match(/^pwrite64\(.*, (\d+)\) += \d+$/)?.[1];
  return offset !== undefined && Number(offset) < 8192 ? 'unsynced-meta ' : '';
}

if (spawnSync('strace', ['-V']).status === 0) {
  describe('LMDBStore as the kernel sees it', () => {
    it('answers only when fdatasync and then the meta page write have returned', async () => {
      const log = join(path, 'trace');
      const seen = 'trace=openat,write,pwrite64,fdatasync';
      const traced = ['-f', '-e', seen, '-o', log, process.execPath, program, 'some'];
      const lines = await linesOf(start('strace', [...traced, join(path, 'db'), '0']), () => false);
      expect(lastDone(lines)).toBe(6);

      const calls = returnedCalls(await readFile(log, 'utf8'));
      const descriptor = calls
        .join('\n')
        .match(/data\.mdb", [A-Z_|]*O_DSYNC[A-Z_|]*\) = (\d+)/)?.[1];
      expect(descriptor).toBeDefined();
      for (let k = 1; k <= 6; k += 1) {
        const from = calls.findIndex((call) => call.startsWith(`write(1, "call ${k}\\n"`));
        const to = calls.findIndex((call) => call.startsWith(`write(1, "done ${k}\\n"`));
        expect(to).toBeGreaterThan(from);
        const events = calls.slice(from, to).map((call) => eventOf(call, descriptor));
        expect(events.join('')).toMatch(/^(sync meta )+$/);
      }
    });
  });
} else {
  console.warn('strace is not installed: the order of system calls is not checked here');
}
