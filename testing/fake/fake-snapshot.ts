import { concatBytes } from '../../internal/bytes.ts';
import type { FSMSnapshot } from '../../raft/fsm.ts';
import { SettableFuture, type SnapshotFuture } from '../../raft/future.ts';
import type { OpenSnapshot, SnapshotMeta } from '../../raft/snapshot.ts';

/** The bytes that a snapshot writes. */
export async function persisted(snapshot: FSMSnapshot): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  try {
    await snapshot.persist({
      id: () => 'fake',
      write: async (chunk) => {
        chunks.push(chunk.slice());
        return chunk.length;
      },
      close: async () => {},
      cancel: async () => {},
    });
  } finally {
    snapshot.release();
  }
  return concatBytes(chunks);
}

/** A snapshot that a fake node has taken; it is kept by its future alone. */
export class FakeSnapshot extends SettableFuture<void> implements SnapshotFuture {
  #taken: OpenSnapshot | null = null;

  /** It is complete. */
  taken(meta: SnapshotMeta, bytes: Uint8Array): void {
    this.#taken = {
      meta,
      reader: (async function* () {
        yield bytes;
      })(),
    };
    this.succeed();
  }

  async open(): Promise<OpenSnapshot> {
    const taken = this.#taken;
    this.#taken = null;
    if (taken === null) throw new Error('there is no snapshot to open, or it was opened before');
    return taken;
  }
}
