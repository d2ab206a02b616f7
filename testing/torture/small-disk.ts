import { execFile, spawnSync } from 'node:child_process';
import { mkdir, open, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const BALLAST = 'ballast';
const CHUNK_BYTES = 64 * 1024;

/** What is mounted, and must not outlive this process. */
const mounted = new Set<string>();

process.on('exit', () => {
  for (const path of mounted) spawnSync('umount', ['--lazy', path]);
});

function isFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOSPC';
}

/** A disk of a few megabytes, in memory, that can really be full. */
export class SmallDisk {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Mounts one at `path`; `null` where this process may not mount. */
  static async mount(path: string, sizeBytes: number): Promise<SmallDisk | null> {
    await mkdir(path, { recursive: true });
    try {
      await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'quorate-small-disk', path]);
    } catch {
      await rmdir(path);
      return null;
    }
    mounted.add(path);
    return new SmallDisk(path);
  }

  /** Takes all the room that is left; gives the bytes that it took. */
  async fill(): Promise<number> {
    const file = await open(join(this.path, BALLAST), 'w');
    let taken = 0;
    try {
      // Down to single bytes: a page more must not fit.
      for (let size = CHUNK_BYTES; size >= 1; ) {
        try {
          taken += (await file.write(new Uint8Array(size), 0, size)).bytesWritten;
        } catch (error) {
          if (!isFull(error)) throw error;
          size = Math.floor(size / 2);
        }
      }
    } finally {
      await file.close();
    }
    return taken;
  }

  /** Gives that room back. */
  async drain(): Promise<void> {
    await rm(join(this.path, BALLAST), { force: true });
  }

  /** Unmounts the disk; what was on it is gone. */
  async unmount(): Promise<void> {
    await run('umount', ['--lazy', this.path]);
    mounted.delete(this.path);
    await rmdir(this.path);
  }
}
