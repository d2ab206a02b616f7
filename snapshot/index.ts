/**
 * Where snapshots are kept, and a map whose snapshots take no time.
 *
 * @example
 * ```ts
 * import { newCowMap, newFileSnapshotStore } from 'quorate/snapshot';
 *
 * const snapshots = await newFileSnapshotStore('/var/lib/my-service', 2);
 * const state = newCowMap<string, string>();
 * ```
 *
 * @packageDocumentation
 */
export { CowMap, CowMapSnapshot, newCowMap } from './cow-map.ts';
export {
  DiscardSnapshotSink,
  DiscardSnapshotStore,
  newDiscardSnapshotStore,
} from './discard-snapshot-store.ts';
export { FileSnapshotSink, type FileSnapshotSinkInit } from './file-snapshot-sink.ts';
export { FileSnapshotStore, type FileSnapshotStoreInit } from './file-snapshot-store.ts';
export type { DirectoryEntry, FileSystem, ReadableFile, WritableFile } from './file-system.ts';
export {
  InmemSnapshotSink,
  InmemSnapshotStore,
  newInmemSnapshotStore,
} from './inmem-snapshot-store.ts';
export {
  newFileSnapshotStore,
  newFileSnapshotStoreWithLogger,
} from './new-file-snapshot-store.ts';
export { nodeFileSystem } from './node-file-system.ts';
export type {
  FileWorkers,
  StateFile,
  WorkerSnapshotSink,
  WriteStateFile,
} from './state-file.ts';
