import { type Clock, systemClock } from '../../internal/clock.ts';
import { describe } from '../../raft/arguments.ts';
import { RaftError } from '../../raft/errors.ts';
import type { SnapshotWorkers } from './pool.ts';
import type { Pace, Source } from './slices.ts';

const MOST_SLICE_MS = 5;
/** Measured: with 5 the writes beside a snapshot fell to 60 % of what they are without one. */
const SLICE_MS = 2;
/** Measured: with 0.2 the writes beside a snapshot fell to 64 % of what they are without one. */
export const SNAPSHOT_SHARE = 0.1;
/** Nobody is served by a state that is being restored, so it has more. */
export const RESTORE_SHARE = 0.2;

/** Which threads do the work, and how much of the main thread they may take with it. */
export interface WorkerOptions {
  /** The threads. Default: those that all of the process shares, up to four. */
  readonly workers?: SnapshotWorkers;
  /**
   * Milliseconds that the main thread spends on a snapshot in one piece, above 0 and at most 5.
   * Default: 2. An item that takes longer takes longer.
   */
  readonly sliceMs?: number;
  /**
   * The part of its time that the main thread spends on a snapshot, above 0 and at most 1.
   * Default: 0.1, and 0.2 for a restore.
   */
  readonly share?: number;
  /** What time is measured by. Default: the machine's clock. */
  readonly clock?: Clock;
  /** Gives up: what is under way rejects with `ERR_SNAPSHOT_CANCELLED`, and its thread ends. */
  readonly signal?: AbortSignal;
}

/** How a worker turns items into bytes. */
export interface WorkerEncoding {
  /**
   * A module that the worker imports, an absolute URL: it exports `encode` and `decode` of a
   * `Codec`. Default: msgpack, as `typedFSM` has it.
   */
  readonly codec?: URL | string;
  /** Compresses with gzip; what is read back is known by its first byte. Default: no. */
  readonly compress?: 'gzip';
}

/** What `workerSnapshot` takes. */
export interface WorkerSnapshotInit<Item> extends WorkerOptions {
  /** The state as it is now, item by item. Later commands must not show in it. */
  readonly source: Source<Item>;
  /** How items become bytes. Default: msgpack, not compressed. */
  readonly encode?: WorkerEncoding;
  /**
   * Names the buffers of an item that nobody else needs, which those of a log entry never are: they
   * are moved to the worker. All other bytes are copied once, on the main thread.
   */
  transfer?(item: Item): readonly ArrayBuffer[];
  /** Is called once when the picture is no longer needed. */
  release?(): void;
}

/** What `workerRestore` takes. */
export interface WorkerRestoreInit<Item> extends WorkerOptions {
  /** What `FSM.restore` was given. */
  readonly reader: AsyncIterable<Uint8Array>;
  /** How bytes become items: the codec that wrote them. Default: msgpack. */
  readonly decode?: Pick<WorkerEncoding, 'codec'>;
  /** Takes one item. */
  apply(item: Item): void;
}

/** The pace that `options` ask for; throws `ERR_INVALID_ARGUMENT`. */
export function paceOf(options: WorkerOptions, usualShare: number): Pace {
  const { sliceMs = SLICE_MS, share = usualShare, clock = systemClock } = options;
  check('sliceMs', sliceMs, MOST_SLICE_MS);
  check('share', share, 1);
  return { clock, sliceMs, share };
}

function check(name: string, value: number, most: number): void {
  if (value > 0 && value <= most) return;
  const text = `expected ${name} to be a number above 0 and at most ${most}`;
  throw new RaftError('ERR_INVALID_ARGUMENT', `${text}, got ${describe(value)}`);
}

/** How a worker is told of a codec; null for msgpack. */
export function moduleOf(encoding: Pick<WorkerEncoding, 'codec'> | undefined): string | null {
  const codec = encoding?.codec;
  return codec === undefined ? null : String(codec);
}
