import { type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { platform } from 'node:process';
import type { FileSystem, ReadableFile, WritableFile } from './file-system.ts';

/** A handle's second `close()` would reject; the port's does nothing. */
function closeOnce(handle: FileHandle): () => Promise<void> {
  let closing: Promise<void> | undefined;
  return () => {
    closing ??= handle.close();
    return closing;
  };
}

function writableFile(handle: FileHandle): WritableFile {
  return {
    async write(bytes) {
      for (let written = 0; written < bytes.length; ) {
        const { bytesWritten } = await handle.write(bytes, written);
        written += bytesWritten;
      }
    },
    sync: () => handle.sync(),
    close: closeOnce(handle),
  };
}

function readableFile(handle: FileHandle): ReadableFile {
  return {
    size: async () => (await handle.stat()).size,
    read: async (into, position) => (await handle.read(into, 0, into.length, position)).bytesRead,
    close: closeOnce(handle),
  };
}

async function syncDirectory(path: string): Promise<void> {
  // Windows cannot open a directory, and its file systems journal names by themselves.
  if (platform === 'win32') return;
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function makeDirectory(path: string): Promise<void> {
  const topmostMade = await mkdir(path, { recursive: true, mode: 0o755 });
  if (topmostMade === undefined) return;
  const last = dirname(resolve(topmostMade));
  for (let parent = dirname(resolve(path)); ; parent = dirname(parent)) {
    await syncDirectory(parent);
    if (parent === last || parent === dirname(parent)) return;
  }
}

/** The disk of the machine, through `node:fs`. */
export const nodeFileSystem: FileSystem = Object.freeze({
  join,
  makeDirectory,
  list: async (path: string) => {
    const entries = await readdir(path, { withFileTypes: true });
    return entries.map((entry) => ({ name: entry.name, isDirectory: entry.isDirectory() }));
  },
  create: async (path: string) => writableFile(await open(path, 'w', 0o666)),
  open: async (path: string) => readableFile(await open(path, 'r')),
  rename,
  remove: (path: string) => rm(path, { recursive: true, force: true }),
  syncDirectory,
});
