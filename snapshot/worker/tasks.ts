import type { MessagePort } from 'node:worker_threads';
import type { StateFile } from '../state-file.ts';

/** Computes the checksum of a file. */
export interface ChecksumTask {
  readonly kind: 'checksum';
  readonly path: string;
}

/** Encodes items and writes them to a file, or sends the bytes back. */
export interface EncodeTask {
  readonly kind: 'encode';
  /** Slices of items come from here. */
  readonly slices: MessagePort;
  /** Where the bytes go: a path, or a port back to the main thread. */
  readonly target: string | MessagePort;
  readonly compress: boolean;
  /** The module of a codec; msgpack when it is null. */
  readonly codec: string | null;
}

/** Reads and decodes items and sends them back. */
export interface DecodeTask {
  readonly kind: 'decode';
  /** Where the bytes come from: a file, or a port that the main thread writes to. */
  readonly source: StateFile | MessagePort;
  /** Slices of items go here. */
  readonly slices: MessagePort;
  /** The module of a codec; msgpack when it is null. */
  readonly codec: string | null;
}

/** What a worker is asked to do. */
export type Task = ChecksumTask | EncodeTask | DecodeTask;

/** Length and checksum of what a worker read or wrote; of a decoding nothing is said. */
export type Told = Omit<StateFile, 'path'>;

/** How a task ended. The code of an error would not survive the way between threads. */
export type Outcome =
  | { readonly ok: true; readonly told: Told }
  | { readonly ok: false; readonly code: string | null; readonly message: string };
