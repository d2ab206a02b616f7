import { access, constants, open, stat, statfs, truncate } from 'node:fs/promises';
import { endianness } from 'node:os';
import { join } from 'node:path';
import { RaftError } from '../raft/errors.ts';

/** The file in which LMDB keeps everything. */
export const DATA_FILE = 'data.mdb';
const LOCK_FILE = 'lock.mdb';

const MAGIC = 0xbeef_c0de;
const DATA_VERSION = 2;
/** Where a page that describes the file ("meta page") has what identifies it. */
const MAGIC_OFFSET = 24;
const VERSION_OFFSET = 28;
const PAGE_SIZE_OFFSET = 48;
const META_BYTES = 168;
const LEAST_FREE_BYTES = 1 << 20;

function foreign(file: string, detail: string): RaftError {
  return new RaftError('ERR_STORE_FORMAT', `${file} is no LMDB data file: ${detail}`);
}

/** Size of a file that may be read and written; 0 when there is none. */
async function usableSize(path: string): Promise<number> {
  try {
    const found = await stat(path);
    if (!found.isFile()) throw foreign(path, 'it is not a regular file');
    await access(path, constants.R_OK | constants.W_OK);
    return found.size;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 0;
    throw error;
  }
}

async function checkMetaPages(path: string, sizeBytes: number): Promise<void> {
  const file = await open(path, 'r');
  const isLittle = endianness() === 'LE';
  try {
    let offset = 0;
    for (const page of [0, 1]) {
      const view = new DataView(new ArrayBuffer(META_BYTES));
      const { bytesRead } = await file.read(view, 0, META_BYTES, offset);
      if (bytesRead < META_BYTES) throw foreign(path, `${sizeBytes} bytes are too few`);
      const magic = view.getUint32(MAGIC_OFFSET, isLittle);
      if (magic !== MAGIC) throw foreign(path, `page ${page} begins with ${magic.toString(16)}`);
      const version = view.getUint32(VERSION_OFFSET, isLittle);
      if (version !== DATA_VERSION) {
        throw foreign(path, `data format ${DATA_VERSION} expected, got ${version}`);
      }
      const pageBytes = view.getUint32(PAGE_SIZE_OFFSET, isLittle);
      const isPageSize = pageBytes >= 512 && pageBytes <= 65_536;
      if (!isPageSize) throw foreign(path, `its pages cannot have ${pageBytes} bytes`);
      offset = pageBytes;
    }
  } finally {
    await file.close();
  }
}

/**
 * Throws unless LMDB can open what is in a directory, or make a store there: lmdb-js ends the
 * process by a segmentation fault when LMDB refuses a file.
 */
export async function checkDirectory(path: string): Promise<void> {
  await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
  await usableSize(join(path, LOCK_FILE));
  const file = join(path, DATA_FILE);
  const sizeBytes = await usableSize(file);
  if (sizeBytes > 0) return checkMetaPages(file, sizeBytes);
  const { bavail, bsize } = await statfs(path);
  if (bavail * bsize < LEAST_FREE_BYTES) {
    throw new RaftError(
      'ERR_STORE_FULL',
      `a new store needs ${LEAST_FREE_BYTES} bytes, the disk has ${bavail * bsize}`,
    );
  }
}

/**
 * Makes the data file at least `sizeBytes` long, by zeros that take no room. Reading a mapped page
 * beyond the end of its file kills the process; a page of zeros is an error that can be reported.
 */
export async function growTo(directory: string, sizeBytes: number): Promise<void> {
  const path = join(directory, DATA_FILE);
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
