import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { bytesEqual, utf8ToString } from '../internal/bytes.ts';
import { asError, RaftError } from '../raft/errors.ts';
import { type SnapshotMeta, SnapshotVersionMax } from '../raft/snapshot.ts';
import { checksumOf, readSmallFile } from '../snapshot/file-snapshot-reader.ts';
import { nodeFileSystem } from '../snapshot/node-file-system.ts';
import { decodeSnapshotMeta, type StoredSnapshotMeta } from '../snapshot/snapshot-meta-codec.ts';
import { newestFirst } from '../snapshot/snapshot-name.ts';

const META_LIMIT_BYTES = 16 * 1024 * 1024;

/** A snapshot that cannot be used. */
export interface BadSnapshot {
  /** The file that is damaged. */
  readonly path: string;
  readonly error: Error;
}

/** What a snapshot directory holds. */
export interface StoredSnapshots {
  /** Whole ones, newest first. */
  readonly good: readonly SnapshotMeta[];
  readonly bad: readonly BadSnapshot[];
  /** Names of those that a crash left half written; the next start removes them. */
  readonly unfinished: readonly string[];
}

async function readMeta(path: string, name: string): Promise<StoredSnapshotMeta> {
  const file = await nodeFileSystem.open(path);
  try {
    const stored = decodeSnapshotMeta(utf8ToString(await readSmallFile(file, META_LIMIT_BYTES)));
    const { id, version } = stored.meta;
    if (id !== name) {
      throw new RaftError('ERR_MALFORMED_SNAPSHOT_META', `its ID is ${JSON.stringify(id)}`);
    }
    if (version > SnapshotVersionMax) {
      throw new RaftError('ERR_UNSUPPORTED_SNAPSHOT', `unsupported snapshot version ${version}`);
    }
    return stored;
  } finally {
    await file.close();
  }
}

async function checkState(path: string, { meta, crc }: StoredSnapshotMeta): Promise<void> {
  const file = await nodeFileSystem.open(path);
  try {
    const sizeBytes = await file.size();
    if (sizeBytes !== meta.size) {
      throw new RaftError(
        'ERR_SNAPSHOT_CORRUPT',
        `expected ${meta.size} bytes, it has ${sizeBytes}`,
      );
    }
    const computed = await checksumOf(file);
    if (crc !== null && bytesEqual(crc, computed)) return;
    const hex = (bytes: Uint8Array | null) => Buffer.from(bytes ?? []).toString('hex');
    const text = `expected checksum ${hex(crc)}, its bytes have ${hex(computed)}`;
    throw new RaftError('ERR_SNAPSHOT_CORRUPT', text);
  } finally {
    await file.close();
  }
}

/** Reads every snapshot of a directory and checks it; changes nothing. */
export async function readSnapshots(directory: string): Promise<StoredSnapshots> {
  const good: SnapshotMeta[] = [];
  const bad: BadSnapshot[] = [];
  const unfinished: string[] = [];
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    if (entry.name.endsWith('.tmp')) {
      unfinished.push(entry.name);
      continue;
    }
    let path = join(directory, entry.name, 'meta.json');
    try {
      const stored = await readMeta(path, entry.name);
      path = join(directory, entry.name, 'state.bin');
      await checkState(path, stored);
      good.push(stored.meta);
    } catch (error) {
      bad.push({ path, error: asError(error) });
    }
  }
  return { good: good.sort(newestFirst), bad, unfinished };
}
