import { readFile, writeFile } from 'node:fs/promises';

const KIB = 1024;

async function statusOf(pid: number, field: string): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8');
  const found = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text);
  if (found === null) throw new Error(`no ${field} of process ${pid}`);
  return Number(found[1]) * KIB;
}

/** Resolves with a function that tells how many bytes a process has grown by at its peak since. */
export async function watchPeak(pid: number): Promise<() => Promise<number>> {
  // Lets the kernel forget the peak so far.
  await writeFile(`/proc/${pid}/clear_refs`, '5');
  const before = await statusOf(pid, 'VmRSS');
  return async () => (await statusOf(pid, 'VmHWM')) - before;
}
