import { statfs } from 'node:fs/promises';
import { constants } from 'node:os';
import { asError, RaftError } from '../raft/errors.ts';

const MDB_MAP_FULL = -30_792;
/** A transaction without entries writes a few pages all the same. */
const LEAST_WRITE_BYTES = 1 << 16;
const FULL_CODES: readonly unknown[] = [
  MDB_MAP_FULL,
  constants.errno.ENOSPC,
  constants.errno.EDQUOT,
];

/**
 * What is read of a database of LMDB. Said here, because declarations that name lmdb-js make
 * every user compile its own, which not every compiler takes.
 */
export interface BinaryDatabase {
  getBinary(key: Uint8Array): Uint8Array | undefined;
  getKeys(range: { start: Uint8Array; reverse: boolean }): Iterable<Uint8Array>;
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

/** lmdb-js says only "Commit failed" and hangs the reason on it as a promise that rejects. */
async function reasonOf(thrown: unknown): Promise<Error> {
  try {
    await property(thrown, 'commitError');
  } catch (reason) {
    return asError(reason);
  }
  return asError(thrown);
}

/** A disk that fills up in the middle of a write reports a short write, not ENOSPC. */
async function isDiskFull(path: string, neededBytes: number): Promise<boolean> {
  try {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize < Math.max(neededBytes, LEAST_WRITE_BYTES);
  } catch {
    return false;
  }
}

/** What to reject with when a transaction of `sizeBytes` at `path` has failed with `thrown`. */
export async function writeError(
  thrown: unknown,
  path: string,
  sizeBytes: number,
): Promise<RaftError> {
  if (thrown instanceof RaftError) return thrown;
  const cause = await reasonOf(thrown);
  const full = FULL_CODES.includes(property(cause, 'code')) || (await isDiskFull(path, sizeBytes));
  return full
    ? new RaftError(
        'ERR_STORE_FULL',
        `no space left for ${sizeBytes} bytes in the store at ${path}: ${cause.message}`,
        { cause },
      )
    : new RaftError('ERR_STORE_WRITE', `cannot write to the store at ${path}: ${cause.message}`, {
        cause,
      });
}

/** What to throw when the store at `path` cannot be opened because of `thrown`. */
export function openError(thrown: unknown, path: string): RaftError {
  const cause = asError(thrown);
  const code = cause instanceof RaftError ? cause.code : 'ERR_STORE_OPEN';
  return new RaftError(code, `cannot open the store at ${path}: ${cause.message}`, { cause });
}

/** What to throw when `what` cannot be read from the store at `path` because of `thrown`. */
export function readError(thrown: unknown, what: string, path: string): RaftError {
  if (thrown instanceof RaftError) return thrown;
  const cause = asError(thrown);
  const text = `cannot read ${what} from the store at ${path}: ${cause.message}`;
  return new RaftError('ERR_STORE_READ', text, { cause });
}

/** What lies under a key, `undefined` when nothing does; `what` names it in the error. */
export function readBinary(
  database: BinaryDatabase,
  key: Uint8Array,
  what: string,
  path: string,
): Uint8Array | undefined {
  try {
    return database.getBinary(key);
  } catch (thrown) {
    throw readError(thrown, what, path);
  }
}
