import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, constants, mkdir, mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TRACED } from './system-calls.ts';

/** What the recorded node plays. */
export type Role = 'leader' | 'follower';

/** A node's life as the kernel saw it. */
export interface Recording {
  readonly role: Role;
  /** The directory of its data. */
  readonly directory: string;
  readonly trace: string;
}

/**
 * Runs the recorded node under strace.
 *
 * @param program the built file of recorded-node.ts
 * @param scratch where its data and the trace may be written
 */
export async function record(role: Role, program: string, scratch: string): Promise<Recording> {
  const directory = join(scratch, role);
  await mkdir(directory);
  const output = join(scratch, `${role}.trace`);
  const strace = ['-f', '-y', '-xx', '-s', '1048576', '-e', TRACED, '-o', output];
  // What goes to the disk through io_uring is no system call that strace could see.
  const env = { ...process.env, UV_USE_IO_URING: '0' };
  const child = spawn('strace', [...strace, process.execPath, program, role, directory], {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`the recorded ${role} ended with ${code}`);
  return { role, directory, trace: await readFile(output, 'latin1') };
}

const MEMORY = '/dev/shm';

/** A directory for a disk in memory where the system has one: hundreds of disks are opened. */
export async function makeScratch(): Promise<string> {
  const isThere = await access(MEMORY, constants.W_OK).then(
    () => true,
    () => false,
  );
  return mkdtemp(join(isThere ? MEMORY : tmpdir(), 'quorate-power-cut-'));
}
