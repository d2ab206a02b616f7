import type { Configuration } from './configuration.ts';
import type { MaybePromise } from './log.ts';
import type { Transport } from './transport.ts';

/**
 * Version of a snapshot's metadata: 0 knows only legacy peers, 1 a configuration.
 * Go: `SnapshotVersion`.
 */
export type SnapshotVersion = number;
/** The oldest snapshot version that is understood. Go: `SnapshotVersionMin`. */
export const SnapshotVersionMin = 0;
/**
 * The newest snapshot version that is understood, and the one that is written.
 * Go: `SnapshotVersionMax`.
 */
export const SnapshotVersionMax = 1;

/** What is known of a snapshot without reading it (§7). Go: `SnapshotMeta`. */
export interface SnapshotMeta {
  /** {@link SnapshotVersionMin} to {@link SnapshotVersionMax}. */
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
 * In Go these are the two results of `SnapshotStore.Open`.
 */
export interface OpenSnapshot {
  /** What is known of it. */
  readonly meta: SnapshotMeta;
  /** Its bytes, `meta.size` of them; iterating rejects when they cannot be read or are damaged. */
  readonly reader: AsyncIterable<Uint8Array>;
}

/** Takes the bytes of one snapshot; a method that fails rejects. Go: `SnapshotSink`. */
export interface SnapshotSink {
  /**
   * Takes the next bytes; resolves with their number once more may be written (back-pressure). The
   * caller may reuse them then. Go: `SnapshotSink.Write`.
   */
  write(chunk: Uint8Array): Promise<number>;
  /**
   * Makes the snapshot durable and visible. After `cancel()` or a second time it does nothing.
   * Go: `SnapshotSink.Close`.
   */
  close(): Promise<void>;
  /**
   * Throws away what was written. After `close()` or a second time it does nothing.
   * Go: `SnapshotSink.Cancel`.
   */
  cancel(): Promise<void>;
  /** The snapshot's name within its store. Go: `SnapshotSink.ID`. */
  id(): string;
}

/**
 * A stream that knows how much of it was read; what `FSM.restore` is given is one.
 * Go: `CountingReader`.
 */
export interface CountingReader extends AsyncIterable<Uint8Array> {
  /** Bytes that were read so far. Go: `CountingReader.Count`. */
  count(): number;
}

/**
 * What `FSM.restore` is given: a stream that counts what is read of it, for the log, around the one
 * that the snapshot store gave. Go: `ReadCloserWrapper`.
 */
export interface ReadCloserWrapper extends AsyncIterable<Uint8Array> {
  /**
   * The snapshot store's own stream, for an FSM that knows more of it. Read one of them, not both;
   * what is read here is not counted. Go: `ReadCloserWrapper.WrappedReadCloser`.
   */
  wrappedReadCloser(): AsyncIterable<Uint8Array>;
}

/** Where snapshots live; a method that fails throws or rejects. Go: `SnapshotStore`. */
export interface SnapshotStore {
  /**
   * Starts a snapshot. Until its sink is closed it is not listed. Go: `SnapshotStore.Create`.
   *
   * @param version 1; other versions are read and not written
   * @param index the last log index that the snapshot contains, 1 or more
   * @param term the term of that index
   * @param configuration the membership at that index
   * @param configurationIndex the index at which that membership was written
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
  /** The snapshots that are complete, newest first. Go: `SnapshotStore.List`. */
  list(): MaybePromise<SnapshotMeta[]>;
  /**
   * Opens the snapshot of that name for reading, after its checksum was found right.
   * Go: `SnapshotStore.Open`.
   */
  open(id: string): MaybePromise<OpenSnapshot>;
}
