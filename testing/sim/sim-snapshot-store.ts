import { concatBytes, copyBytes } from '../../internal/bytes.ts';
import type { Configuration } from '../../raft/configuration.ts';
import { RaftError } from '../../raft/errors.ts';
import type {
  OpenSnapshot,
  SnapshotMeta,
  SnapshotSink,
  SnapshotStore,
  SnapshotVersion,
} from '../../raft/snapshot.ts';
import type { Transport } from '../../raft/transport.ts';
import { snapshotName } from '../../snapshot/snapshot-name.ts';
import type { SimDisk } from './disk.ts';
import type { SimProcess } from './virtual-clock.ts';

const WRITE_MS = 0.5;
const READ_CHUNK_BYTES = 64;
const READ_MS = 0.2;

/** A snapshot being written: it is nothing at all until its close is done. */
class SimSnapshotSink implements SnapshotSink {
  readonly #disk: SimDisk;
  readonly #process: SimProcess;
  readonly #meta: SnapshotMeta;
  readonly #chunks: Uint8Array[] = [];
  #ended = false;

  constructor(disk: SimDisk, process: SimProcess, meta: SnapshotMeta) {
    this.#disk = disk;
    this.#process = process;
    this.#meta = meta;
  }

  id(): string {
    return this.#meta.id;
  }

  async write(chunk: Uint8Array): Promise<number> {
    if (this.#ended) {
      throw new RaftError('ERR_SNAPSHOT_CLOSED', `snapshot ${this.id()} is closed for writing`);
    }
    this.#chunks.push(copyBytes(chunk));
    await this.#process.sleep(WRITE_MS);
    return chunk.length;
  }

  async close(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    const bytes = concatBytes(this.#chunks);
    const meta = { ...this.#meta, size: bytes.length };
    await this.#disk.writeSnapshot(this.#process, { meta, bytes });
  }

  async cancel(): Promise<void> {
    this.#ended = true;
  }
}

/** The snapshots of one process on a simulated disk. */
export class SimSnapshotStore implements SnapshotStore {
  readonly #disk: SimDisk;
  readonly #process: SimProcess;

  constructor(disk: SimDisk, process: SimProcess) {
    this.#disk = disk;
    this.#process = process;
  }

  create(
    version: SnapshotVersion,
    index: number,
    term: number,
    configuration: Configuration,
    configurationIndex: number,
    _trans: Transport,
  ): SnapshotSink {
    const id = snapshotName(term, index, this.#process.wallTime().getTime());
    return new SimSnapshotSink(this.#disk, this.#process, {
      version,
      id,
      index,
      term,
      peers: null,
      configuration: configuration.clone(),
      configurationIndex,
      size: 0,
    });
  }

  list(): SnapshotMeta[] {
    return this.#disk.visible.snapshots.map(({ meta }) => meta);
  }

  open(id: string): OpenSnapshot {
    const found = this.#disk.visible.snapshots.find(({ meta }) => meta.id === id);
    if (found === undefined) {
      throw new RaftError('ERR_SNAPSHOT_NOT_FOUND', `there is no snapshot ${id}`);
    }
    return { meta: found.meta, reader: this.#read(found.bytes) };
  }

  async *#read(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
    for (let at = 0; at < bytes.length; at += READ_CHUNK_BYTES) {
      await this.#process.sleep(READ_MS);
      yield copyBytes(bytes.subarray(at, at + READ_CHUNK_BYTES));
    }
  }
}
