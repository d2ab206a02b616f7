import { execFileSync } from 'node:child_process';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { cpus, release, tmpdir, totalmem } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { median } from './statistics.ts';

const SYNCS = 200;
const BLOCK_BYTES = 4096;

/** Where a run was made. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  readonly go: string;
  /** Median time to write and sync 4 KiB at the end of a file, in milliseconds. */
  readonly fsyncMs: number;
}

async function measureFsync(): Promise<number> {
  const directory = await mkdtemp(path.join(tmpdir(), 'quorate-fsync-'));
  const file = await open(path.join(directory, 'file'), 'w');
  try {
    const times: number[] = [];
    const block = new Uint8Array(BLOCK_BYTES);
    for (let i = 0; i < SYNCS; i += 1) {
      const startMs = performance.now();
      await file.write(block, 0, BLOCK_BYTES, i * BLOCK_BYTES);
      await file.datasync();
      times.push(performance.now() - startMs);
    }
    return median(times);
  } finally {
    await file.close();
    await rm(directory, { recursive: true });
  }
}

/** Looks at the machine. Data of the benchmarks are below the directory that is synced here. */
export async function lookAtMachine(): Promise<Machine> {
  const [first] = cpus();
  return {
    cpu: first?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${release()}`,
    node: process.version,
    go: execFileSync('go', ['env', 'GOVERSION'], { encoding: 'utf8' }).trim(),
    fsyncMs: await measureFsync(),
  };
}
