import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { seededRandom } from '../../internal/random.ts';
import { type Loss, RecordedDisk } from './disk.ts';
import { callsOf } from './system-calls.ts';

let scratch = '';
let count = 0;

beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'quorate-disk-'));
});

afterEach(async () => {
  await rm(scratch, { recursive: true });
});

const hex = (text: string) => `"${[...Buffer.from(text)].map(hexOf).join('')}"`;
const hexOf = (byte: number) => `\\x${byte.toString(16).padStart(2, '0')}`;
const opened = (path: string, fd: number, flags = 'O_RDWR|O_CREAT') =>
  `1 openat(AT_FDCWD, ${hex(path)}, ${flags}) = ${fd}`;
const wrote = (fd: number, text: string, offset: number) =>
  `1 pwrite64(${fd}</d/f>, ${hex(text)}, ${text.length}, ${offset}) = ${text.length}`;

/** Lets a disk below /d see the lines of a trace. */
function played(lines: readonly string[], ignoresSyncs = false): RecordedDisk {
  const disk = new RecordedDisk('/d', ignoresSyncs);
  for (const call of callsOf(lines.join('\n'))) disk.take(call);
  return disk;
}

/** The files that a power cut leaves. */
async function remains(
  disk: RecordedDisk,
  loss: Loss = 'dropped',
  seed = 1,
): Promise<Record<string, string>> {
  count += 1;
  const target = join(scratch, `${count}`);
  await disk.leave(target, loss, seededRandom(seed));
  const names = await readdir(target, { recursive: true, withFileTypes: true });
  const files = names.filter((name) => name.isFile());
  const entries = files.map(async ({ parentPath, name }) => {
    const path = join(parentPath, name);
    return [path.slice(target.length + 1), await readFile(path, 'latin1')];
  });
  return Object.fromEntries(await Promise.all(entries));
}

/** The name of /d/f is safe, and what follows is written to descriptor 3. */
const BEGIN = [opened('/d/f', 3), opened('/d', 4, 'O_RDONLY'), '1 fsync(4</d>) = 0'];

describe('a recorded disk', () => {
  it('loses what was not synced: bytes, and names', async () => {
    const disk = played([opened('/d/f', 3), wrote(3, 'old', 0)]);
    expect(await remains(disk)).toEqual({});
    expect(await remains(disk, 'kept')).toEqual({ f: 'old' });
    expect(await remains(played([...BEGIN, wrote(3, 'old', 0)]))).toEqual({ f: '' });
    const synced = played([...BEGIN, wrote(3, 'old', 0), '1 fdatasync(3</d/f>) = 0']);
    expect(await remains(synced)).toEqual({ f: 'old' });
  });

  it('has of a sync what was written before it began, once it returns', async () => {
    const lines = [
      ...BEGIN,
      wrote(3, 'aa', 0),
      '2 fdatasync(3</d/f> <unfinished ...>',
      wrote(3, 'bb', 2),
    ];
    expect(await remains(played(lines))).toEqual({ f: '' });
    const over = played([...lines, '2 <... fdatasync resumed>) = 0']);
    expect(await remains(over)).toEqual({ f: 'aa' });
    expect(await remains(over, 'kept')).toEqual({ f: 'aabb' });
  });

  it('has a write through O_DSYNC once it returns, and no other', async () => {
    const lines = [...BEGIN, opened('/d/f', 5, 'O_WRONLY|O_DSYNC'), wrote(3, 'aa', 0)];
    const begun = `2 pwrite64(5</d/f>, ${hex('bb')}, 2, 2 <unfinished ...>`;
    expect(await remains(played([...lines, begun]))).toEqual({ f: '' });
    const over = [...lines, begun, '2 <... pwrite64 resumed>) = 2'];
    expect(await remains(played(over))).toEqual({ f: '\0\0bb' });
  });

  it('that lies has nothing, whatever was synced', async () => {
    const lines = [...BEGIN, wrote(3, 'old', 0), '1 fdatasync(3</d/f>) = 0'];
    expect(await remains(played(lines, true))).toEqual({});
  });

  it('keeps or loses sectors of 512 bytes, never parts of them', async () => {
    const [old, fresh] = ['a'.repeat(1536), 'b'.repeat(1536)];
    const lines = [...BEGIN, wrote(3, old, 0), '1 fdatasync(3</d/f>) = 0', wrote(3, fresh, 0)];
    const disk = played(lines);
    const seen = new Set<string>();
    for (let seed = 1; seed <= 60; seed += 1) {
      const { f = '' } = await remains(disk, 'torn', seed);
      expect(f).toMatch(/^(a{512}|b{512}){3}$/);
      seen.add(f);
    }
    expect(seen.size).toBe(8);
  });

  it('moves names when their directory is synced, and none that could not be moved', async () => {
    const renamed = (result: number) => `1 rename(${hex('/d/f')}, ${hex('/d/g')}) = ${result}`;
    const lines = [...BEGIN, wrote(3, 'x', 0), '1 fsync(3</d/f>) = 0'];
    expect(await remains(played([...lines, renamed(-1), '1 fsync(4</d>) = 0']))).toEqual({
      f: 'x',
    });
    expect(await remains(played([...lines, renamed(0)]))).toEqual({ f: 'x' });
    expect(await remains(played([...lines, renamed(0), '1 fsync(4</d>) = 0']))).toEqual({ g: 'x' });
  });

  it('cuts files, also when they are opened', async () => {
    const lines = [...BEGIN, wrote(3, 'old', 0), '1 fdatasync(3</d/f>) = 0'];
    const cut = played([...lines, '1 ftruncate(3</d/f>, 1) = 0']);
    expect([await remains(cut), await remains(cut, 'kept')]).toEqual([{ f: 'old' }, { f: 'o' }]);
    const emptied = played([...lines, opened('/d/f', 5, 'O_WRONLY|O_CREAT|O_TRUNC')]);
    expect([await remains(emptied), await remains(emptied, 'kept')]).toEqual([
      { f: 'old' },
      { f: '' },
    ]);
  });

  it('refuses what it does not understand, below its directory only', () => {
    expect(() => played([...BEGIN, '1 fallocate(3</d/f>, 0, 0, 9) = 0'])).toThrow('fallocate');
    played([...BEGIN, '1 fallocate(9</e/f>, 0, 0, 9) = 0']);
    expect(() => played([...BEGIN, '1 fsync(3</d/f>) = -1'])).toThrow('fsync failed');
  });
});
