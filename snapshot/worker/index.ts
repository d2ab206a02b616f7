/**
 * Snapshots that the main thread does not feel: worker threads encode, write, verify and decode.
 *
 * @packageDocumentation
 */

export type {
  WorkerEncoding,
  WorkerOptions,
  WorkerRestoreInit,
  WorkerSnapshotInit,
} from './options.ts';
export { SnapshotWorkers, type SnapshotWorkersInit } from './pool.ts';
export type { Source } from './slices.ts';
export { workerFormat } from './worker-format.ts';
export { workerRestore } from './worker-restore.ts';
export { workerSnapshot } from './worker-snapshot.ts';
