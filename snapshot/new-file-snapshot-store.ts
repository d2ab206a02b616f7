import { stderr } from 'node:process';
import { formatHclogLine } from '../internal/hclog.ts';
import type { Logger } from '../raft/logger.ts';
import { FileSnapshotStore } from './file-snapshot-store.ts';
import { nodeFileSystem } from './node-file-system.ts';

/** Takes finished lines. A Node `Writable` is one. */
interface LineOutput {
  write(line: string): unknown;
}

/** What Go's store logs with when it is given no logger: hclog's lines, INFO and above. */
function defaultLogger(output: LineOutput): Logger {
  const at = (level: 'INFO' | 'WARN' | 'ERROR') => (fields: object, message: string) => {
    const line = { time: new Date(), level, name: 'snapshot', message, fields: { ...fields } };
    output.write(formatHclogLine(line));
  };
  return { trace() {}, debug() {}, info: at('INFO'), warn: at('WARN'), error: at('ERROR') };
}

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
  const init = { fileSystem: nodeFileSystem, logger: logger ?? defaultLogger(stderr) };
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
  const logger = logOutput !== null && 'write' in logOutput ? defaultLogger(logOutput) : logOutput;
  return newFileSnapshotStoreWithLogger(base, retain, logger);
}
