import { utf8 } from '../internal/bytes.ts';
import { Crc64 } from '../internal/crc64.ts';
import { asError, RaftError } from '../raft/errors.ts';
import type { Logger } from '../raft/logger.ts';
import type { SnapshotMeta } from '../raft/snapshot.ts';
import type { FileSystem, WritableFile } from './file-system.ts';
import { encodeSnapshotMeta } from './snapshot-meta-codec.ts';
import type { StateFile, WorkerSnapshotSink, WriteStateFile } from './state-file.ts';

/** Small writes are gathered up to this size before they go to the file. */
const BUFFER_SIZE_BYTES = 256 * 1024;

/** What a {@link FileSnapshotSink} works with. */
export interface FileSnapshotSinkInit {
  /** The disk. */
  readonly fileSystem: FileSystem;
  /** Where failures are told. */
  readonly logger: Logger;
  /** The snapshot as it is known before its first byte. */
  readonly meta: SnapshotMeta;
  /** state.bin inside `temporaryDirectory`, open. */
  readonly stateFile: WritableFile;
  /** Where worker threads find it, or `null` when they do not. */
  readonly pathForWorkers: string | null;
  /** Where the snapshot grows. */
  readonly temporaryDirectory: string;
  /** Where it lies when it is complete. */
  readonly finalDirectory: string;
  /** The directory that holds both. */
  readonly parentDirectory: string;
  /** Runs once the snapshot is durable; must not reject. */
  readonly afterwards: () => Promise<void>;
}

/** Writes one snapshot into a directory. Go: `FileSnapshotSink`. */
export class FileSnapshotSink implements WorkerSnapshotSink {
  readonly #init: FileSnapshotSinkInit;
  readonly #checksum = new Crc64();
  #buffer = new Uint8Array(BUFFER_SIZE_BYTES);
  /** The other one, which the disk may be taking at the moment. */
  #spare = new Uint8Array(BUFFER_SIZE_BYTES);
  #bufferedBytes = 0;
  /** Never rejects; what went wrong is in `#failure`. */
  #writing: Promise<void> = Promise.resolve();
  #sizeBytes = 0;
  #failure: Error | null = null;
  /** What a worker wrote instead of us. */
  #written: Omit<StateFile, 'path'> | null = null;
  readonly #cancelled = new AbortController();
  #outcome: Promise<void> | null = null;
  #lastTask: Promise<unknown> = Promise.resolve();

  /** Only a store makes sinks. */
  constructor(init: FileSnapshotSinkInit) {
    this.#init = init;
  }

  /**
   * Takes the next bytes; the caller may reuse them once this has resolved. The disk may still be
   * at work then. Rejects with the disk's error, in this call or in a later one or in `close()`,
   * after which the snapshot can only be cancelled, or with a `RaftError`: after `close()`
   * or `cancel()` (`ERR_SNAPSHOT_CLOSED`), or when `chunk` is not bytes (`ERR_INVALID_ARGUMENT`).
   * Go: `FileSnapshotSink.Write`.
   */
  write(chunk: Uint8Array): Promise<number> {
    if (this.#outcome !== null) return Promise.reject(this.#closedError());
    if (!(chunk instanceof Uint8Array)) {
      const text = `snapshots are written in Uint8Array chunks, got ${typeof chunk}`;
      return Promise.reject(new RaftError('ERR_INVALID_ARGUMENT', text));
    }
    return this.#inOrder(() => this.#append(chunk));
  }

  /**
   * Has the state written by `write`, which is given the path of a file and the signal of
   * `cancel()`; then nothing more can be written. False when no worker reaches the file, or some of
   * the state was written already. Rejects with what `write` rejected with, after which the
   * snapshot can only be cancelled, or after `close()` or `cancel()` with a `RaftError`
   * (`ERR_SNAPSHOT_CLOSED`). Beyond Go.
   */
  writeInWorker(write: WriteStateFile): Promise<boolean> {
    if (this.#outcome !== null) return Promise.reject(this.#closedError());
    return this.#inOrder(() => this.#haveWritten(write));
  }

  /**
   * Makes the snapshot durable and visible. When it rejects, nothing of the snapshot is left. A
   * second time it does nothing and settles as the first. Go: `FileSnapshotSink.Close`.
   */
  close(): Promise<void> {
    this.#outcome ??= this.#inOrder(() => this.#complete());
    return this.#outcome;
  }

  /**
   * Removes what was written; rejects when that fails, and then the next start of the store removes
   * it. After `close()` it does nothing. Go: `FileSnapshotSink.Cancel`.
   */
  cancel(): Promise<void> {
    if (this.#outcome !== null) return this.#outcome.catch(() => {});
    this.#cancelled.abort();
    this.#outcome = this.#inOrder(() => this.#abandon());
    return this.#outcome;
  }

  id(): string {
    return this.#init.meta.id;
  }

  #closedError(): RaftError {
    return new RaftError('ERR_SNAPSHOT_CLOSED', `snapshot ${this.id()} is closed for writing`);
  }

  async #haveWritten(write: WriteStateFile): Promise<boolean> {
    const { pathForWorkers: path } = this.#init;
    if (path === null || this.#sizeBytes + this.#bufferedBytes > 0) return false;
    if (this.#failure !== null || this.#written !== null)
      throw this.#failure ?? this.#closedError();
    try {
      this.#written = await write(path, this.#cancelled.signal);
    } catch (thrown) {
      this.#failure = asError(thrown);
      throw this.#failure;
    }
    return true;
  }

  /** A caller need not wait for one call before it makes the next. */
  #inOrder<T>(task: () => Promise<T>): Promise<T> {
    const done = this.#lastTask.then(task);
    this.#lastTask = done.catch(() => {});
    return done;
  }

  async #append(chunk: Uint8Array): Promise<number> {
    if (this.#written !== null) throw this.#closedError();
    for (let taken = 0; taken < chunk.length; ) {
      const room = BUFFER_SIZE_BYTES - this.#bufferedBytes;
      const part = chunk.subarray(taken, taken + room);
      this.#buffer.set(part, this.#bufferedBytes);
      this.#bufferedBytes += part.length;
      taken += part.length;
      if (part.length === room) await this.#flush();
    }
    return chunk.length;
  }

  /**
   * Gives the disk what is gathered, once it is done with what it had before; the next bytes come
   * meanwhile. After a failed write nobody knows what the file holds: the first failure is final.
   */
  async #flush(): Promise<void> {
    await this.#taken();
    const bytes = this.#buffer.subarray(0, this.#bufferedBytes);
    this.#writing = this.#init.stateFile.write(bytes).catch((thrown: unknown) => {
      this.#failure ??= asError(thrown);
    });
    [this.#buffer, this.#spare] = [this.#spare, this.#buffer];
    this.#sizeBytes += bytes.length;
    this.#bufferedBytes = 0;
    this.#checksum.update(bytes);
  }

  /** Resolves when the disk has what it was given; rejects when any of it has failed. */
  async #taken(): Promise<void> {
    await this.#writing;
    if (this.#failure !== null) throw this.#failure;
  }

  async #complete(): Promise<void> {
    const { fileSystem, temporaryDirectory, finalDirectory, parentDirectory, afterwards } =
      this.#init;
    await this.#step('failed to finalize snapshot', () => this.#finishStateFile());
    await this.#step('failed to write metadata', () => this.#writeMeta());
    await this.#step('failed to move snapshot into place', async () => {
      await fileSystem.syncDirectory(temporaryDirectory);
      await fileSystem.rename(temporaryDirectory, finalDirectory);
    });
    await this.#step('failed syncing parent directory', () =>
      fileSystem.syncDirectory(parentDirectory),
    );
    await afterwards();
  }

  async #step(complaint: string, step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (thrown) {
      this.#init.logger.error({ error: asError(thrown) }, complaint);
      await this.#removeAll().catch(() => {});
      throw thrown;
    }
  }

  async #finishStateFile(): Promise<void> {
    const { stateFile } = this.#init;
    try {
      await this.#flush();
      await this.#taken();
      await stateFile.sync();
    } finally {
      await stateFile.close();
    }
  }

  async #writeMeta(): Promise<void> {
    const { fileSystem, temporaryDirectory } = this.#init;
    const ours = { sizeBytes: this.#sizeBytes, crc: this.#checksum.digest() };
    const { sizeBytes: size, crc } = this.#written ?? ours;
    const meta = { ...this.#init.meta, size };
    const file = await fileSystem.create(fileSystem.join(temporaryDirectory, 'meta.json'));
    try {
      await file.write(utf8(encodeSnapshotMeta({ meta, crc })));
      await file.sync();
    } finally {
      await file.close();
    }
  }

  async #abandon(): Promise<void> {
    await this.#writing;
    // The bytes are unwanted, so a handle that does not close well is no reason to complain.
    await this.#init.stateFile.close().catch(() => {});
    await this.#removeAll();
  }

  async #removeAll(): Promise<void> {
    const { fileSystem, logger, temporaryDirectory: path, finalDirectory } = this.#init;
    try {
      await fileSystem.remove(path);
      await fileSystem.remove(finalDirectory);
    } catch (thrown) {
      const error = asError(thrown);
      logger.error({ path, error }, 'failed to delete temporary snapshot directory');
      throw error;
    }
  }
}
