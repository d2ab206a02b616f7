import type { ItemFormat } from '../../raft/item-frames.ts';
import type { WorkerEncoding, WorkerOptions } from './options.ts';
import { paceOf, SNAPSHOT_SHARE } from './options.ts';
import { itemsInWorker } from './worker-restore.ts';
import { persistInWorker } from './worker-snapshot.ts';

/**
 * Has the snapshots of a `typedFSM` encoded and decoded by worker threads: its third argument.
 * Without compression the bytes stay what they were, so snapshots of before can be read, and those
 * of now without workers. For the errors see `workerSnapshot` and `workerRestore`. Beyond Go.
 *
 * @throws `RaftError` (`ERR_INVALID_ARGUMENT`) for a `sliceMs` or `share` out of range
 */
export function workerFormat(options: WorkerOptions & WorkerEncoding = {}): ItemFormat {
  paceOf(options, SNAPSHOT_SHARE);
  return {
    write: (sink, source) => persistInWorker(sink, { ...options, source, encode: options }),
    read: (reader) => itemsInWorker(reader, { ...options, decode: options }),
  };
}
