import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../index.ts';
import { utf8 } from '../internal/bytes.ts';
import { ZERO_TIME } from '../internal/timestamp.ts';
import { Configuration, ServerSuffrage } from '../raft/configuration.ts';
import { type Log, LogType } from '../raft/log.ts';
import { KEY_CURRENT_TERM, KEY_LAST_VOTE_TERM } from '../raft/stable.ts';
import { newFileSnapshotStoreWithLogger } from '../snapshot/new-file-snapshot-store.ts';
import { newLMDBStore } from '../store/lmdb-store.ts';
import { newInmemTransport } from '../transport/index.ts';
import { NotADataDirectory, verify } from './verify.ts';

let directory = '';

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'quorate-verify-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

const entry = (index: number, term = 1, bytes = 100): Log => ({
  index,
  term,
  type: 0,
  data: new Uint8Array(bytes).fill(index),
  extensions: null,
  appendedAt: ZERO_TIME,
});

const range = (first: number, last: number, term = 1) =>
  Array.from({ length: last - first + 1 }, (_, at) => entry(first + at, term));

async function store(logs: readonly Log[], currentTerm = 2, voteTerm = 1): Promise<void> {
  const lmdb = await newLMDBStore({ path: join(directory, 'raft') });
  await lmdb.storeLogs(logs);
  await lmdb.setUint64(KEY_CURRENT_TERM, currentTerm);
  await lmdb.setUint64(KEY_LAST_VOTE_TERM, voteTerm);
  await lmdb.close();
}

async function snapshot(index: number, term: number): Promise<string> {
  const snaps = await newFileSnapshotStoreWithLogger(directory, 3, silentLogger);
  const [, trans] = newInmemTransport('a');
  const voter = { suffrage: ServerSuffrage.Voter, id: 'a', address: 'a' };
  const sink = await snaps.create(1, index, term, new Configuration([voter]), 1, trans);
  await sink.write(utf8(`state of ${index}`));
  await sink.close();
  return sink.id();
}

/** Changes one byte of a file, where `needle` is. */
async function damage(path: string, needle: Uint8Array, offset = 0): Promise<void> {
  const bytes = await readFile(path);
  let at = bytes.indexOf(needle);
  expect(at).toBeGreaterThan(0);
  for (; at >= 0; at = bytes.indexOf(needle, at + 1)) bytes.writeUInt8(0x5a, at + offset);
  await writeFile(path, bytes);
}

/** Where the first page of a large entry begins. */
function pageOf(bytes: Buffer, index: number): number {
  const at = bytes.indexOf(new Uint8Array(100).fill(index));
  return at - (at % 4096);
}

const text = async () => (await verify(directory)).lines.join('\n');
const dataFile = () => join(directory, 'raft', 'data.mdb');

describe('verify', () => {
  it('takes a log of many pages, large values among them, and changes nothing', async () => {
    await store([...range(1, 3000), entry(3001, 1, 50_000), ...range(3002, 3100, 2)]);
    await snapshot(50, 1);
    const hash = async () => {
      const sum = createHash('sha256').update(await readFile(dataFile()));
      for (const name of await readdir(directory, { recursive: true })) {
        const { mtimeMs, size } = await stat(join(directory, name));
        sum.update(`${name} ${mtimeMs} ${size}\n`);
      }
      return sum.digest('hex');
    };
    const before = await hash();
    expect(await verify(directory)).toEqual({
      isGood: true,
      lines: [
        'log: 3100 entries, 1 to 3100; current term 2',
        'snapshots: 1 whole, 0 damaged, 0 unfinished',
        'ok',
      ],
    });
    expect(await hash()).toBe(before);
  });

  it('names the index of a damaged entry, and what to do', async () => {
    await store(range(1, 200));
    await damage(dataFile(), new Uint8Array(100).fill(77), 50);
    const { isGood, lines } = await verify(directory);
    expect([isGood, lines.length]).toEqual([false, 4]);
    expect(lines[2]).toMatch(/^bad: .*data\.mdb, index 77: .*expected checksum/);
    expect(lines[3]).toMatch(/^do: .*removeServer.*addVoter/);
  });

  it('reads what a killed node left in its journal, and names damage there', async () => {
    const path = join(directory, 'raft');
    const lmdb = await newLMDBStore({ path });
    await lmdb.setUint64(KEY_CURRENT_TERM, 2);
    for (let index = 1; index <= 5; index += 1) await lmdb.storeLog(entry(index));
    const killed = `${directory}-killed`;
    await cp(directory, killed, { recursive: true });
    await lmdb.close();
    try {
      const whole = await verify(killed);
      expect(whole.lines[0]).toBe('log: 5 entries, 1 to 5; current term 2');
      expect(whole.isGood).toBe(true);
      await damage(join(killed, 'raft', 'journal-0'), new Uint8Array(100).fill(3), 50);
      const { isGood, lines } = await verify(killed);
      expect(isGood).toBe(false);
      expect(lines.join('\n')).toMatch(/bad: .*journal-0 is damaged on disk: .*byte 1536/);
      await expect(newLMDBStore({ path: join(killed, 'raft') })).rejects.toMatchObject({
        code: 'ERR_STORE_CORRUPT',
      });
    } finally {
      await rm(killed, { recursive: true });
    }
  });

  it('finds damage within a large value', async () => {
    await store([...range(1, 5), entry(6, 1, 20_000)]);
    await damage(dataFile(), new Uint8Array(100).fill(6), 90);
    expect(await text()).toMatch(/index 6: .*expected checksum/);
  });

  it('names a damaged stable key', async () => {
    await store(range(1, 5));
    await damage(dataFile(), KEY_LAST_VOTE_TERM, KEY_LAST_VOTE_TERM.length + 12);
    expect(await text()).toMatch(/stable key "LastVoteTerm" is damaged/);
  });

  it('compares nothing with a current term that it cannot read', async () => {
    await store(range(1, 5), 3, 2);
    await snapshot(4, 1);
    const before = await readFile(dataFile());
    await damage(dataFile(), KEY_CURRENT_TERM, KEY_CURRENT_TERM.length + 12);
    expect(await readFile(dataFile())).not.toEqual(before);
    const { lines } = await verify(directory);
    expect(lines[0]).toBe('log: 5 entries, 1 to 5; current term unknown');
    expect(lines.filter((line) => line.startsWith('bad: '))).toEqual([
      expect.stringMatching(/stable key "CurrentTerm" is damaged/),
    ]);
  });

  it('has one finding for one damaged entry, be it the first one or one in a gap', async () => {
    await store(range(1, 5));
    const bad = async () => (await text()).match(/^bad: /gm);
    const whole = await readFile(dataFile());
    for (const index of [1, 3]) {
      await damage(dataFile(), new Uint8Array(100).fill(index), 50);
      expect(await bad()).toHaveLength(1);
      await writeFile(dataFile(), whole);
    }
  });

  it('knows a store of a newer release from one of another program', async () => {
    await store(range(1, 5));
    const whole = await readFile(dataFile());
    const mark = utf8('quorate store 3');
    await damage(dataFile(), mark, mark.length - 1);
    expect(await text()).toMatch(/^bad: .*its format is "quorate store Z"/m);
    expect(await text()).toMatch(/^do: Use the release that wrote it/m);
    await writeFile(dataFile(), whole);
    await damage(dataFile(), mark);
    expect(await text()).toMatch(/^bad: .*its format is "Zuorate store 3"/m);
    expect(await text()).toMatch(/^do: Do not start a node/m);
  });

  it('reads what was written last', async () => {
    await store(range(1, 5));
    for (const last of [6, 7, 8]) {
      const lmdb = await newLMDBStore({ path: join(directory, 'raft') });
      await lmdb.storeLogs([entry(last)]);
      await lmdb.close();
      expect(await text()).toMatch(new RegExp(`^log: ${last} entries, 1 to ${last};`));
    }
  });

  it('names a page of a large value', async () => {
    await store([...range(1, 5), entry(6, 1, 20_000)]);
    const bytes = await readFile(dataFile());
    const at = bytes.indexOf(new Uint8Array(1000).fill(6));
    bytes.writeUInt8(0, at - (at % 4096) + 18);
    await writeFile(dataFile(), bytes);
    expect(await text()).toMatch(/page (\d+) is damaged: it says that it is page \1 of kind 0/);
  });

  it('names a configuration that says nothing, though its record is whole', async () => {
    await store([...range(1, 2), { ...entry(3), type: LogType.LogConfiguration }]);
    expect(await text()).toMatch(/^bad: .*data\.mdb, index 3: /m);
  });

  it('finds a value that ends behind its page', async () => {
    await store(range(7, 8));
    const bytes = await readFile(dataFile());
    // The key of a block, and the block, which begins with the key of its first entry.
    const node = new Uint8Array([0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 7]);
    let at = bytes.indexOf(node);
    expect(at).toBeGreaterThan(0);
    for (; at >= 0; at = bytes.indexOf(node, at + 1)) bytes.writeUInt16LE(0xffff, at - 8);
    await writeFile(dataFile(), bytes);
    expect(await text()).toMatch(/page \d+ is damaged: a value is cut off/);
  });

  it('names a page that lies where another one belongs', async () => {
    await store([1, 2, 3, 4].map((index) => entry(index, 1, 70_000)));
    const bytes = await readFile(dataFile());
    bytes.copy(bytes, pageOf(bytes, 3), pageOf(bytes, 2), pageOf(bytes, 2) + 4096);
    await writeFile(dataFile(), bytes);
    expect(await text()).toMatch(/page (\d+) is damaged: it says that it is page (?!\1 )\d+ /);
  });

  it('reads a block up to where it is damaged, and the blocks behind it', async () => {
    await store([...range(1, 3), entry(4, 1, 70_000)]);
    const bytes = await readFile(dataFile());
    // The third entry follows the data of the second; its length stands behind its key.
    bytes.writeUInt32BE(0xffff_ffff, bytes.indexOf(new Uint8Array(100).fill(2)) + 108);
    await writeFile(dataFile(), bytes);
    expect(await text()).toMatch(/^log: 3 entries, 1 to 4;/);
    expect(await text()).toMatch(/^bad: .*the block of entry 1 .* from byte 294 on/m);
  });

  it('does not judge what a node is writing', async () => {
    await store(range(1, 300));
    const lmdb = await newLMDBStore({ path: join(directory, 'raft') });
    let thrown: unknown;
    const write = async () => {
      for (let index = 301; thrown === undefined; index += 1) await lmdb.storeLog(entry(index));
    };
    const writing = write();
    // A node may just pause while its data are read.
    while (thrown === undefined) {
      await verify(directory).catch((error) => {
        thrown = error;
      });
    }
    await writing;
    await lmdb.close();
    expect(thrown).toBeInstanceOf(NotADataDirectory);
    expect(thrown).toMatchObject({ message: `a node writes to ${directory}: stop it first` });
  });

  it('names a damaged page, and reads the others', async () => {
    await store([1, 2, 3, 4].map((index) => entry(index, 1, 70_000)));
    const bytes = await readFile(dataFile());
    bytes.fill(0, pageOf(bytes, 3), pageOf(bytes, 3) + 4096);
    await writeFile(dataFile(), bytes);
    expect(await text()).toMatch(/data\.mdb: page \d+ is damaged/);
    expect(await text()).toMatch(/log: 3 entries, 1 to 4/);
  });

  it('says what is missing of a file that was cut off, or is no data file', async () => {
    await store(range(1, 3000));
    const bytes = await readFile(dataFile());
    await writeFile(dataFile(), bytes.subarray(0, 40_960));
    expect(await text()).toMatch(/page \d+ is missing: the file ends at 40960 bytes/);
    await writeFile(dataFile(), bytes.subarray(0, 100));
    expect(await text()).toMatch(/data\.mdb: it is too short/);
    await writeFile(dataFile(), new Uint8Array(8192));
    expect(await text()).toMatch(/data\.mdb: meta page 0 is damaged/);
  });

  it('finds gaps that no snapshot covers', async () => {
    await store([...range(1, 5), ...range(8, 9)]);
    expect(await text()).toMatch(/index 6: missing: the log goes on at 8/);
    await snapshot(7, 1);
    expect((await verify(directory)).isGood).toBe(true);
  });

  it('finds terms that fall, and a log from behind the current term', async () => {
    await store([...range(1, 5, 3), ...range(6, 9, 2)], 2);
    expect(await text()).toMatch(/index 6: its term 2 is below 3/);
    expect(await text()).toMatch(/CurrentTerm: term 2 is below 3/);
  });

  it('finds a vote from the future', async () => {
    await store(range(1, 5), 2, 3);
    expect(await text()).toMatch(/LastVoteTerm: term 3 is ahead of the current term 2/);
  });

  it('finds a log that does not reach down to the snapshot', async () => {
    await store(range(5, 9));
    expect(await text()).toMatch(/index 1: missing: the log starts at 5.*no whole snapshot/);
    await snapshot(2, 1);
    expect(await text()).toMatch(/index 3: missing: the log starts at 5.*snapshots end at 2/);
    await snapshot(4, 1);
    expect((await verify(directory)).isGood).toBe(true);
  });

  it('finds a log behind a snapshot of a later term', async () => {
    await store(range(1, 9));
    await snapshot(5, 2);
    expect(await text()).toMatch(/index 6: its term 1 is below 2 of 2-5-/);
  });

  it('names the file of a damaged snapshot; another one may do', async () => {
    await store(range(3, 9));
    const id = await snapshot(7, 1);
    await writeFile(join(directory, 'snapshots', id, 'state.bin'), 'state of 8');
    expect(await text()).toMatch(/bad: .*state\.bin: expected checksum/);
    expect(await text()).toMatch(/do: .*removeServer/);
    await snapshot(4, 1);
    expect(await text()).toMatch(/do: Move the directory of that snapshot away/);
    await writeFile(join(directory, 'snapshots', id, 'state.bin'), 'short');
    expect(await text()).toMatch(/state\.bin: expected 10 bytes, it has 5/);
    await writeFile(join(directory, 'snapshots', id, 'meta.json'), '{');
    expect(await text()).toMatch(/meta\.json: malformed meta\.json/);
  });

  it('takes what another release or another place wrote for what it is', async () => {
    const id = await snapshot(7, 1);
    const meta = join(directory, 'snapshots', id, 'meta.json');
    const whole = await readFile(meta, 'utf8');
    await writeFile(meta, whole.replace('"Version":1', '"Version":2'));
    expect(await text()).toMatch(/^bad: .*meta\.json: unsupported snapshot version 2/m);
    expect(await text()).toMatch(/^do: Use the release that wrote it/m);
    await writeFile(meta, whole.replace(/"CRC":"[^"]*"/, '"CRC":null'));
    expect(await text()).toMatch(/^bad: .*state\.bin: expected checksum , its bytes have/m);
    await writeFile(meta, whole.replaceAll(id, '1-2-3'));
    expect(await text()).toMatch(/^bad: .*meta\.json: its ID is "1-2-3"/m);
  });

  it('finds a current term from before the snapshot', async () => {
    await store([], 2);
    await snapshot(5, 3);
    expect(await text()).toMatch(/CurrentTerm: term 2 is below 3, the term of 3-5-/);
  });

  it('finds that one entry is missing, or that a snapshot just reaches up to the log', async () => {
    await store(range(5, 9));
    const id = await snapshot(7, 1);
    await snapshot(4, 1);
    await writeFile(join(directory, 'snapshots', id, 'state.bin'), 'state of 8');
    expect(await text()).toMatch(/do: Move the directory of that snapshot away/);
    const lmdb = await newLMDBStore({ path: join(directory, 'raft') });
    await lmdb.deleteRange(5, 5);
    await lmdb.close();
    expect(await text()).toMatch(/index 5: missing: the log starts at 6.*snapshots end at 4/);
  });

  it('counts what a crash left unfinished, which is no damage', async () => {
    await mkdir(join(directory, 'snapshots', '1-2-3.tmp'), { recursive: true });
    expect(await verify(directory)).toEqual({
      isGood: true,
      lines: ['snapshots: 0 whole, 0 damaged, 1 unfinished', 'ok'],
    });
  });

  it('refuses what is no data directory in one line', async () => {
    await expect(verify(join(directory, 'none'))).rejects.toThrow(NotADataDirectory);
    await expect(verify(directory)).rejects.toThrow(/expected data\.mdb or snapshots in/);
    await store(range(1, 5));
    const other = await newLMDBStore({ path: join(directory, 'other') });
    await other.close();
    await expect(verify(directory)).rejects.toThrow(/expected one store below .*, got .*other/);
  });
});

describe('npx quorate', () => {
  const run = async (...args: string[]) => {
    try {
      const { stdout } = await promisify(execFile)(process.execPath, ['dist/cli/main.js', ...args]);
      return { code: 0, stdout, stderr: '' };
    } catch (error) {
      const { code, stdout, stderr } = Object(error);
      return { code, stdout, stderr };
    }
  };

  it('ends with 0 for good data, 1 for bad, 2 for what it cannot do', async () => {
    await store(range(1, 5));
    expect(await run('verify', directory)).toMatchObject({ code: 0, stderr: '' });
    await store([entry(9)]);
    const bad = await run('verify', directory);
    expect(bad).toMatchObject({ code: 1, stderr: '' });
    expect(bad.stdout).toMatch(/index 6: missing/);
    const usage = 'usage: quorate verify DIR, got ';
    expect(await run()).toMatchObject({ code: 2, stdout: '', stderr: `${usage}nothing\n` });
    expect(await run('dance', 'x')).toMatchObject({ code: 2, stderr: `${usage}dance x\n` });
    const nowhere = join(directory, 'none');
    expect(await run('verify', nowhere)).toMatchObject({
      code: 2,
      stderr: `expected a directory, got ${nowhere}\n`,
    });
  });
});
