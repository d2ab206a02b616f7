import { type Clock, systemClock } from '../internal/clock.ts';
import type { Configuration } from '../raft/configuration.ts';
import { encodePeers } from '../raft/configuration-codec.ts';
import { RaftError } from '../raft/errors.ts';
import {
  type OpenSnapshot,
  type SnapshotMeta,
  type SnapshotSink,
  type SnapshotStore,
  type SnapshotVersion,
  SnapshotVersionMax,
} from '../raft/snapshot.ts';
import type { Transport } from '../raft/transport.ts';
import { newestFirst, snapshotName } from './snapshot-name.ts';

interface HeldSnapshot {
  readonly meta: SnapshotMeta;
  readonly chunks: readonly Uint8Array[];
}

/**
 * Keeps the newest snapshot in memory and nothing else: for tests and simulations.
 *
 * Unlike Go's, a snapshot is listed once it is closed, and until then the one before it stays, so
 * that a cancelled snapshot costs nothing. Go: `InmemSnapshotStore`.
 */
export class InmemSnapshotStore implements SnapshotStore {
  readonly #clock: Pick<Clock, 'wallTime'>;
  #latest: HeldSnapshot | null = null;
  #lastNameMs = 0;

  /** @param clock names snapshots by its time; the machine's by default */
  constructor(clock: Pick<Clock, 'wallTime'> = systemClock) {
    this.#clock = clock;
  }

  /**
   * Starts a snapshot; see {@link SnapshotStore.create}. Throws a `RaftError`
   * (`ERR_UNSUPPORTED_SNAPSHOT`) for any version but 1. Go: `InmemSnapshotStore.Create`.
   */
  create(
    version: SnapshotVersion,
    index: number,
    term: number,
    configuration: Configuration,
    configurationIndex: number,
    trans: Transport,
  ): InmemSnapshotSink {
    if (version !== SnapshotVersionMax) {
      throw new RaftError('ERR_UNSUPPORTED_SNAPSHOT', `unsupported snapshot version ${version}`);
    }
    this.#lastNameMs = Math.max(this.#clock.wallTime().getTime(), this.#lastNameMs + 1);
    const meta = {
      version,
      id: snapshotName(term, index, this.#lastNameMs),
      index,
      term,
      peers: encodePeers(configuration, trans),
      configuration: configuration.clone(),
      configurationIndex,
      size: 0,
    };
    return new InmemSnapshotSink(meta, (closed) => this.#keep(closed));
  }

  /** The snapshot that is held, if there is one. Go: `InmemSnapshotStore.List`. */
  list(): SnapshotMeta[] {
    return this.#latest === null ? [] : [this.#latest.meta];
  }

  /**
   * Opens the snapshot that is held, as often as wanted. Throws a `RaftError`
   * (`ERR_SNAPSHOT_NOT_FOUND`) when `id` is another one. Go: `InmemSnapshotStore.Open`.
   */
  open(id: string): OpenSnapshot {
    const held = this.#latest;
    if (held === null || held.meta.id !== id) {
      throw new RaftError(
        'ERR_SNAPSHOT_NOT_FOUND',
        `[ERR] snapshot: failed to open snapshot id: ${id}`,
      );
    }
    return { meta: held.meta, reader: readChunks(held.chunks) };
  }

  #keep(closed: HeldSnapshot): void {
    const held = this.#latest;
    if (held === null || newestFirst(closed.meta, held.meta) <= 0) this.#latest = closed;
  }
}

/** Collects one snapshot in memory. Go: `InmemSnapshotSink`. */
export class InmemSnapshotSink implements SnapshotSink {
  readonly #meta: SnapshotMeta;
  readonly #keep: (closed: HeldSnapshot) => void;
  #chunks: Uint8Array[] = [];
  #sizeBytes = 0;
  #ended = false;

  /** Only a store makes sinks; `keep` receives the snapshot when it is closed. */
  constructor(meta: SnapshotMeta, keep: (closed: HeldSnapshot) => void) {
    this.#meta = meta;
    this.#keep = keep;
  }

  /**
   * Keeps a copy of the next bytes and resolves with their number. Rejects with a `RaftError`
   * (`ERR_SNAPSHOT_CLOSED`) after `close()` or `cancel()`. Go: `InmemSnapshotSink.Write`.
   */
  async write(chunk: Uint8Array): Promise<number> {
    if (this.#ended) {
      throw new RaftError('ERR_SNAPSHOT_CLOSED', `snapshot ${this.id()} is closed for writing`);
    }
    this.#chunks.push(Uint8Array.from(chunk));
    this.#sizeBytes += chunk.length;
    return chunk.length;
  }

  async close(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#keep({ meta: { ...this.#meta, size: this.#sizeBytes }, chunks: this.#chunks });
    this.#chunks = [];
  }

  async cancel(): Promise<void> {
    this.#ended = true;
    this.#chunks = [];
  }

  id(): string {
    return this.#meta.id;
  }
}

/** Copies go out, so that a reader that changes its bytes does not change the snapshot. */
async function* readChunks(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield Uint8Array.from(chunk);
}

/**
 * An empty store that keeps one snapshot in memory. Go: `NewInmemSnapshotStore`.
 *
 * @param clock names snapshots by its time; the machine's by default
 */
export function newInmemSnapshotStore(
  clock: Pick<Clock, 'wallTime'> = systemClock,
): InmemSnapshotStore {
  return new InmemSnapshotStore(clock);
}
