import type { SnapshotSink } from '../raft/snapshot.ts';

/** A state.bin that lies under a path which every thread of the process reaches. */
export interface StateFile {
  /** For `node:fs`. */
  readonly path: string;
  /** Its length in bytes. */
  readonly sizeBytes: number;
  /** Its CRC-64, 8 bytes. */
  readonly crc: Uint8Array;
}

/** What a worker thread can do with a file of a snapshot that somebody else owns. */
export interface FileWorkers {
  /** Length and CRC-64 of a whole file. Rejects when it cannot be read or the worker fails. */
  checksumOf(path: string): Promise<Omit<StateFile, 'path'>>;
}

/**
 * Writes all of a file that exists and is empty, and makes it durable. Stops when `signal` is
 * aborted, and rejects then.
 */
export type WriteStateFile = (
  path: string,
  signal: AbortSignal,
) => Promise<Omit<StateFile, 'path'>>;

/** Optional ability of a sink: somebody else, such as a worker thread, writes its file. */
export interface WorkerSnapshotSink extends SnapshotSink {
  /**
   * Has all of the state written by `write`, instead of by {@link SnapshotSink.write}. Resolves
   * with false, having done nothing, when the sink cannot: then its bytes go through `write`.
   * Rejects with what `write` rejected with, after which the snapshot can only be cancelled.
   */
  writeInWorker(write: WriteStateFile): Promise<boolean>;
}

/** True when the file of `sink` can be written by somebody else. */
export function isWorkerSnapshotSink(sink: SnapshotSink): sink is WorkerSnapshotSink {
  return 'writeInWorker' in sink && typeof sink.writeInWorker === 'function';
}
