import { stderr } from 'node:process';
import { type LineOutput, newLineLogger } from '../raft/line-logger.ts';
import type { Logger } from '../raft/logger.ts';
import { FileSnapshotStore } from './file-snapshot-store.ts';
import { nodeFileSystem } from './node-file-system.ts';
import type { FileWorkers } from './state-file.ts';

/** Loads what threads need when the first of them is needed. */
const workers: FileWorkers = {
  async checksumOf(path) {
    const { sharedWorkers } = await import('./worker/pool.ts');
    return sharedWorkers().checksumOf(path);
  },
};

/**
 * Opens a file snapshot store that logs through `logger`, or to standard error when it is `null`.
 * See {@link FileSnapshotStore.open} for the other parameters and the errors.
 * Go: `NewFileSnapshotStoreWithLogger`.
 */
export function newFileSnapshotStoreWithLogger(
  base: string,
  retain: number,
  logger: Logger | null,
): Promise<FileSnapshotStore> {
  const told = logger ?? newLineLogger('snapshot', stderr);
  const init = { fileSystem: nodeFileSystem, logger: told, workers };
  return FileSnapshotStore.open(base, retain, init);
}

/**
 * Opens a file snapshot store that logs to `logOutput`: a writable, a logger, or `null` for
 * standard error. See {@link FileSnapshotStore.open} for the other parameters and the errors.
 * Go: `NewFileSnapshotStore`.
 */
export function newFileSnapshotStore(
  base: string,
  retain: number,
  logOutput: LineOutput | Logger | null = null,
): Promise<FileSnapshotStore> {
  const logger =
    logOutput !== null && 'write' in logOutput ? newLineLogger('snapshot', logOutput) : logOutput;
  return newFileSnapshotStoreWithLogger(base, retain, logger);
}
