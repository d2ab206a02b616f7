import type { Configuration } from './configuration.ts';
import type { MaybePromise } from './log.ts';
import type { Transport } from './transport.ts';

/** Version of a snapshot's metadata: 0 knows only legacy peers, 1 a configuration. */
export type SnapshotVersion = number;
/** The oldest snapshot version that is understood. */
export const SnapshotVersionMin = 0;
/** The newest snapshot version that is understood, and the one that is written. */
export const SnapshotVersionMax = 1;

/** What is known of a snapshot without reading it. Go: `SnapshotMeta`. */
export interface SnapshotMeta {
  readonly version: SnapshotVersion;
  /** Names the snapshot within its store. */
  readonly id: string;
  /** The last log index the snapshot contains. */
  readonly index: number;
  /** The term of that index. */
  readonly term: number;
  /** Legacy peers, encoded; always written, read only from version 0. */
  readonly peers: Uint8Array | null;
  /** The membership at that index; version 1 and later. */
  readonly configuration: Configuration;
  /** The index at which that membership was written. */
  readonly configurationIndex: number;
  /** Length of the state in bytes. */
  readonly size: number;
}

/**
 * A snapshot opened for reading. The reader may be iterated once; ending the loop early closes it.
 */
export interface OpenSnapshot {
  readonly meta: SnapshotMeta;
  readonly reader: AsyncIterable<Uint8Array>;
}

/** Takes the bytes of one snapshot. Go: `SnapshotSink`. */
export interface SnapshotSink {
  /** Takes the next bytes; resolves with their number once more may be written (back-pressure). */
  write(chunk: Uint8Array): Promise<number>;
  /** Makes the snapshot durable and visible. After `cancel()` or a second time it does nothing. */
  close(): Promise<void>;
  /** Throws away what was written. After `close()` or a second time it does nothing. */
  cancel(): Promise<void>;
  /** The snapshot's name within its store. */
  id(): string;
}

/** Where snapshots live. Go: `SnapshotStore`. */
export interface SnapshotStore {
  /**
   * Starts a snapshot that contains the log up to `index` of `term`.
   *
   * @param trans encodes the legacy peers that older readers expect
   */
  create(
    version: SnapshotVersion,
    index: number,
    term: number,
    configuration: Configuration,
    configurationIndex: number,
    trans: Transport,
  ): MaybePromise<SnapshotSink>;
  /** The snapshots that are complete, newest first. */
  list(): MaybePromise<SnapshotMeta[]>;
  /** Opens a snapshot for reading, after its checksum was found right. */
  open(id: string): MaybePromise<OpenSnapshot>;
}
