import { execFile } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LMDBFile } from '../../cli/lmdb-file.ts';
import { readLog } from '../../cli/read-log.ts';
import { readSnapshots } from '../../cli/read-snapshots.ts';
import { utf8ToString } from '../../internal/bytes.ts';
import { type Random, randomInteger } from '../../internal/random.ts';
import { decodeUint64 } from '../../store/entry-codec.ts';
import { readBlock } from '../../store/log-blocks.ts';

/** Something on the disk of a node that does not run. */
export interface Target {
  /** What it is called by those who find it damaged. */
  readonly name: string;
  readonly file: string;
  /** The bytes of it, as they are in the file; `null` for all of the file. */
  readonly bytes: Uint8Array | null;
  /** Whether the node cannot start without it. */
  readonly isNeeded: boolean;
}

const DATABASE = 'raft/data.mdb';

function refuse(text: string): never {
  throw new Error(`this was good before it was damaged: ${text}`);
}

async function newestSnapshot(directory: string): Promise<number> {
  const names = await readdir(directory);
  if (!names.includes('snapshots')) return 0;
  const { good } = await readSnapshots(join(directory, 'snapshots'));
  return good[0]?.index ?? 0;
}

/** Every live record of the log, and the term: not what stale pages still have of them. */
export async function recordsOf(directory: string): Promise<Target[]> {
  const covered = await newestSnapshot(directory);
  const path = join(directory, DATABASE);
  const file = await LMDBFile.open(path);
  const targets: Target[] = [];
  try {
    for await (const { key, value } of file.database('logs', refuse)) {
      const { records, damage } = readBlock(decodeUint64(key, 'a key of the log'), value);
      if (damage !== null) refuse(damage);
      for (let at = 0; at < records.length; at += 1) {
        const index = records.indexAt(at);
        const bytes = records.pairAt(at).record.slice();
        targets.push({ name: `log ${index}`, file: path, bytes, isNeeded: index > covered });
      }
    }
    for await (const { key, value } of file.database('stable', refuse)) {
      const name = `"${utf8ToString(key)}"`;
      targets.push({ name, file: path, bytes: value.slice(), isNeeded: true });
    }
  } finally {
    await file.close();
  }
  return targets;
}

/** Every snapshot; a node needs one when its log does not reach down to another. */
export async function snapshotsOf(directory: string): Promise<Target[]> {
  const { good } = await readSnapshots(join(directory, 'snapshots'));
  // What a killed node has not brought into LMDB yet is in its journal.
  const log = await readLog(join(directory, DATABASE), ({ what }) => refuse(what));
  const first = log?.runs[0]?.first ?? Number.POSITIVE_INFINITY;
  return good.map(({ id }) => {
    const left = Math.max(0, ...good.filter((other) => other.id !== id).map(({ index }) => index));
    const state = join(directory, 'snapshots', id, 'state.bin');
    return { name: id, file: state, bytes: null, isNeeded: first > left + 1 };
  });
}

/** Turns one bit of a target, wherever its bytes are in the file. */
export async function flipBit({ file, bytes }: Target, random: Random): Promise<void> {
  const content = await readFile(file);
  const length = bytes?.length ?? content.length;
  const at = randomInteger(random, 0, length - 1);
  const mask = 1 << randomInteger(random, 0, 7);
  const starts: number[] = bytes === null ? [0] : [];
  if (bytes !== null) {
    for (let from = content.indexOf(bytes); from >= 0; from = content.indexOf(bytes, from + 1)) {
      starts.push(from);
    }
  }
  if (starts.length === 0) throw new Error(`${file} has no such record`);
  for (const start of starts) content[start + at] = (content[start + at] ?? 0) ^ mask;
  await writeFile(file, content);
}

/** Runs `npx quorate verify DIR`, as docs/damaged-data.md says. */
export function runVerify(directory: string): Promise<{ code: number | null; out: string }> {
  return new Promise((resolve) => {
    const args = ['dist/cli/main.js', 'verify', directory];
    const child = execFile(process.execPath, args, (_, out, err) => {
      resolve({ code: child.exitCode, out: out + err });
    });
  });
}
