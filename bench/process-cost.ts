import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';

const KIB = 1024;
// Fields of /proc/PID/stat behind the name in parentheses: see proc(5).
const USER_TICKS = 11;
const SYSTEM_TICKS = 12;

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** Processor time and memory of a process, asked of the kernel: the same for every kind. */
export interface Cost {
  readonly cpuSeconds: number;
  readonly rssBytes: number;
  readonly peakBytes: number;
}

function bytesOf(status: string, field: string): number {
  const found = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status);
  return Number(found?.[1] ?? Number.NaN) * KIB;
}

/** What a process has cost since it started. */
export async function costOf(pid: number): Promise<Cost> {
  const [stat, status] = await Promise.all([
    readFile(`/proc/${pid}/stat`, 'utf8'),
    readFile(`/proc/${pid}/status`, 'utf8'),
  ]);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[USER_TICKS]) + Number(fields[SYSTEM_TICKS]);
  return {
    cpuSeconds: ticks / ticksPerSecond,
    rssBytes: bytesOf(status, 'VmRSS'),
    peakBytes: bytesOf(status, 'VmHWM'),
  };
}
