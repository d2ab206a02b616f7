import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { RaftError } from '../raft/errors.ts';
import { openError, readError, writeError } from './lmdb-errors.ts';

/** What lmdb-js rejects with: the reason hangs on it as a promise that rejects. */
function commitFailed(code: number, message: string): Error {
  const reason = Promise.reject(Object.assign(new Error(message), { code }));
  return Object.assign(new Error('Commit failed (see commitError for details)'), {
    commitError: reason,
  });
}

const path = tmpdir();

describe('writeError', () => {
  it('calls a disk, a quota or a map without room full, and says what did not fit', async () => {
    for (const code of [constants.errno.ENOSPC, constants.errno.EDQUOT, -30_792]) {
      const error = await writeError(commitFailed(code, 'no room'), path, 4096);
      expect(error).toMatchObject({
        code: 'ERR_STORE_FULL',
        message: `no space left for 4096 bytes in the store at ${path}: no room`,
      });
    }
  });

  it('calls a disk full that has less room than was to be written', async () => {
    const short = commitFailed(constants.errno.EIO, 'Input/output error');
    expect(await writeError(short, path, 2 ** 60)).toMatchObject({ code: 'ERR_STORE_FULL' });
  });

  it('gives the reason of any other failure', async () => {
    const short = commitFailed(constants.errno.EIO, 'Input/output error');
    expect(await writeError(short, path, 1)).toMatchObject({
      code: 'ERR_STORE_WRITE',
      message: `cannot write to the store at ${path}: Input/output error`,
    });
    const gone = await writeError('closed', join(path, 'no', 'such', 'place'), 1);
    expect(gone).toMatchObject({ code: 'ERR_STORE_WRITE', cause: { message: 'closed' } });
  });

  it('lets an error of ours be', async () => {
    const full = new RaftError('ERR_STORE_FULL', 'full');
    expect(await writeError(full, path, 1)).toBe(full);
  });
});

describe('openError and readError', () => {
  it('say where, keep the cause, and keep a code of ours', () => {
    const cause = new Error('EACCES: permission denied');
    expect(openError(cause, '/data')).toMatchObject({
      code: 'ERR_STORE_OPEN',
      message: 'cannot open the store at /data: EACCES: permission denied',
      cause,
    });
    const locked = new RaftError('ERR_STORE_LOCKED', 'it is open');
    expect(openError(locked, '/data').code).toBe('ERR_STORE_LOCKED');
    expect(readError(cause, 'log 7', '/data')).toMatchObject({
      code: 'ERR_STORE_READ',
      message: 'cannot read log 7 from the store at /data: EACCES: permission denied',
    });
  });
});
