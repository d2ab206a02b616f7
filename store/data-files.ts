import { open, stat, truncate } from 'node:fs/promises';

/**
 * Makes a file at least `sizeBytes` long, by zeros that take no room. Reading a mapped page beyond the
 * end of its file kills the process; a page of zeros is an error that can be reported.
 */
export async function growTo(path: string, sizeBytes: number): Promise<void> {
  const { size } = await stat(path);
  if (size < sizeBytes) await truncate(path, sizeBytes);
}

/** Makes the names in a directory durable: a synced file is lost when its name is not. */
export async function syncDirectory(path: string): Promise<void> {
  // Windows neither offers this nor needs it.
  if (process.platform === 'win32') return;
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
