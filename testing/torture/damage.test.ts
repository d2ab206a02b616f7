import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { verify } from '../../cli/verify.ts';
import { silentLogger } from '../../index.ts';
import { utf8 } from '../../internal/bytes.ts';
import { seededRandom } from '../../internal/random.ts';
import { Configuration, ServerSuffrage } from '../../raft/configuration.ts';
import { KEY_CURRENT_TERM } from '../../raft/stable.ts';
import { newFileSnapshotStoreWithLogger } from '../../snapshot/new-file-snapshot-store.ts';
import { newLMDBStore } from '../../store/lmdb-store.ts';
import { newInmemTransport } from '../../transport/index.ts';
import { logOf } from '../runtime-fixture.ts';
import { flipBit, recordsOf, snapshotsOf, type Target } from './damage.ts';
import { SmallDisk } from './small-disk.ts';

let directory = '';

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'quorate-damage-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true });
});

/** A log from `first` to `last`, whose pages were written many times. */
async function store(first: number, last: number): Promise<void> {
  const lmdb = await newLMDBStore({ path: join(directory, 'raft') });
  for (let index = first; index <= last; index += 1) await lmdb.storeLog(logOf(index, 1, 60));
  await lmdb.setUint64(KEY_CURRENT_TERM, 1);
  await lmdb.close();
}

async function snapshot(index: number): Promise<void> {
  const snaps = await newFileSnapshotStoreWithLogger(directory, 3, silentLogger);
  const [, trans] = newInmemTransport('a');
  const voter = { suffrage: ServerSuffrage.Voter, id: 'a', address: 'a' };
  const sink = await snaps.create(1, index, 1, new Configuration([voter]), 1, trans);
  await sink.write(utf8(`state of ${index}`));
  await sink.close();
}

const neededOf = (targets: readonly Target[]) =>
  targets.filter(({ isNeeded }) => isNeeded).map(({ name }) => name);

describe('damage', () => {
  it('hits any record that is alive, and verify names that one and no other', async () => {
    await store(1, 40);
    await snapshot(30);
    const targets = await recordsOf(directory);
    expect(targets).toHaveLength(41);
    const needed = Array.from({ length: 10 }, (_, at) => `log ${31 + at}`);
    expect(neededOf(targets)).toEqual([...needed, '"CurrentTerm"']);
    const file = join(directory, 'raft/data.mdb');
    const whole = await readFile(file);
    for (const [at, target] of targets.entries()) {
      await flipBit(target, seededRandom(at));
      const bad = (await verify(directory)).lines.filter((line) => line.startsWith('bad: '));
      expect(bad).toHaveLength(1);
      expect(`${bad[0]} `).toContain(`${target.name} `);
      await writeFile(file, whole);
    }
  });

  it('hits snapshots; a node needs one when its log does not reach down to another', async () => {
    await store(21, 40);
    await snapshot(20);
    expect(neededOf(await snapshotsOf(directory))).toHaveLength(1);
    await snapshot(30);
    const targets = await snapshotsOf(directory);
    expect(targets.map(({ isNeeded }) => isNeeded)).toEqual([false, false]);
    const [target] = targets;
    if (target === undefined) throw new Error('there are two snapshots');
    await flipBit(target, seededRandom(1));
    const { lines } = await verify(directory);
    expect(lines.filter((line) => line.includes(target.name))).toHaveLength(1);
  });
});

describe('a small disk', () => {
  it('is full at its size, has room again, and is gone in the end', async () => {
    const path = join(directory, 'small');
    const disk = await SmallDisk.mount(path, 256 * 1024);
    if (disk === null) {
      console.warn('this process may not mount: no disk of ours is really full');
      return;
    }
    await writeFile(join(path, 'data'), 'x');
    expect(await disk.fill()).toBe(252 * 1024);
    const more = writeFile(join(path, 'more'), 'x');
    await expect(more).rejects.toMatchObject({ code: 'ENOSPC' });
    await disk.drain();
    await writeFile(join(path, 'more'), 'x');
    await disk.unmount();
    await expect(readFile(join(path, 'data'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
