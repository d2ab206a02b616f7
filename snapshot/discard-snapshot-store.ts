import type { Configuration } from '../raft/configuration.ts';
import { RaftError } from '../raft/errors.ts';
import type {
  OpenSnapshot,
  SnapshotMeta,
  SnapshotSink,
  SnapshotStore,
  SnapshotVersion,
} from '../raft/snapshot.ts';
import type { Transport } from '../raft/transport.ts';

/**
 * Takes snapshots and forgets them. A follower that has fallen behind the log can then never catch
 * up: only for tests and for logs that are never compacted. Go: `DiscardSnapshotStore`.
 */
export class DiscardSnapshotStore implements SnapshotStore {
  /** A sink that keeps nothing; the arguments do not matter. Go: `DiscardSnapshotStore.Create`. */
  create(
    _version: SnapshotVersion,
    _index: number,
    _term: number,
    _configuration: Configuration,
    _configurationIndex: number,
    _trans: Transport,
  ): DiscardSnapshotSink {
    return new DiscardSnapshotSink();
  }

  /** Always empty. Go: `DiscardSnapshotStore.List`. */
  list(): SnapshotMeta[] {
    return [];
  }

  /**
   * Always throws a `RaftError` (`ERR_SNAPSHOT_NOT_FOUND`). Go: `DiscardSnapshotStore.Open`.
   */
  open(_id: string): OpenSnapshot {
    throw new RaftError('ERR_SNAPSHOT_NOT_FOUND', 'open is not supported');
  }
}

/** Takes bytes and forgets them. Go: `DiscardSnapshotSink`. */
export class DiscardSnapshotSink implements SnapshotSink {
  /** Resolves with the length of `chunk`, which is not kept. Go: `DiscardSnapshotSink.Write`. */
  async write(chunk: Uint8Array): Promise<number> {
    return chunk.length;
  }

  /** Does nothing. Go: `DiscardSnapshotSink.Close`. */
  async close(): Promise<void> {}

  /** Does nothing. Go: `DiscardSnapshotSink.Cancel`. */
  async cancel(): Promise<void> {}

  /** Always "discard". Go: `DiscardSnapshotSink.ID`. */
  id(): string {
    return 'discard';
  }
}

/** A store that keeps nothing. Go: `NewDiscardSnapshotStore`. */
export function newDiscardSnapshotStore(): DiscardSnapshotStore {
  return new DiscardSnapshotStore();
}
