import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../internal/clock.ts';
import { type Logger, silentLogger } from '../../raft/logger.ts';
import { FileSnapshotStore } from '../../snapshot/file-snapshot-store.ts';
import type { FileSystem } from '../../snapshot/file-system.ts';
import { nodeFileSystem } from '../../snapshot/node-file-system.ts';

/** How many snapshots the stores of the kit keep, as Go's do. */
const RETAINED = 3;

/** The disk, without waiting for it: nothing of a test has to survive a power cut. */
const unsyncedFileSystem: FileSystem = {
  ...nodeFileSystem,
  create: async (path) => ({ ...(await nodeFileSystem.create(path)), sync: async () => {} }),
  syncDirectory: async () => {},
};

/** Beyond Go: what a test may set of {@link fileSnapTest}. */
export interface FileSnapTestOptions {
  /** Names the snapshots. Default: the machine's clock. */
  readonly clock?: Pick<Clock, 'wallTime'>;
  /** Where the store writes its log. Default: nowhere. */
  readonly logger?: Logger;
}

/**
 * A file snapshot store in a new directory of the system's temporary folder. It keeps 3 snapshots
 * and does not wait for the disk. The caller removes the directory. Go: `FileSnapTest`, without the
 * `*testing.T`.
 *
 * @returns the directory and the store; rejects with the disk's error
 *
 * @example
 * ```ts
 * import { rm } from 'node:fs/promises';
 * import { fileSnapTest } from 'quorate/testing';
 *
 * const [directory, store] = await fileSnapTest();
 * console.log(await store.list()); // []
 * await rm(directory, { recursive: true });
 * ```
 */
export async function fileSnapTest(
  options: FileSnapTestOptions = {},
): Promise<[string, FileSnapshotStore]> {
  const directory = await mkdtemp(join(tmpdir(), 'raft'));
  const { clock, logger = silentLogger } = options;
  const store = await FileSnapshotStore.open(directory, RETAINED, {
    fileSystem: unsyncedFileSystem,
    logger,
    ...(clock && { clock }),
  });
  return [directory, store];
}
