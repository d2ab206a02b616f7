import { concatBytes, copyBytes } from '../../internal/bytes.ts';
import { Decoder } from '../../internal/msgpack/decode.ts';
import { Encoder } from '../../internal/msgpack/encode.ts';
import type { Configuration } from '../../raft/configuration.ts';
import type { ConfigurationStore, FSM, FSMSnapshot } from '../../raft/fsm.ts';
import type { Log, MaybePromise } from '../../raft/log.ts';
import type { SnapshotSink } from '../../raft/snapshot.ts';

/** What {@link MockFSM} answers to a snapshot: its commands so far. Go: `MockSnapshot`. */
export class MockSnapshot implements FSMSnapshot {
  readonly #logs: readonly Uint8Array[];
  readonly #maxIndex: number;

  /**
   * @param logs the commands; more may be appended while the snapshot is written
   * @param maxIndex how many of them belong to it
   */
  constructor(logs: readonly Uint8Array[], maxIndex: number) {
    this.#logs = logs;
    this.#maxIndex = maxIndex;
  }

  /**
   * Writes the commands as a msgpack array of byte slices, as Go's does, and closes the sink.
   * Cancels it and rejects with its error when it fails. Go: `MockSnapshot.Persist`.
   */
  async persist(sink: SnapshotSink): Promise<void> {
    const to = new Encoder();
    to.arrayHeader(this.#maxIndex);
    for (const command of this.#logs.slice(0, this.#maxIndex)) to.bytes(command);
    try {
      await sink.write(to.finish());
    } catch (error) {
      await sink.cancel();
      throw error;
    }
    await sink.close();
  }

  /** Does nothing: there is nothing to let go. Go: `MockSnapshot.Release`. */
  release(): void {}
}

/**
 * A state machine that keeps every command in order, for tests. Its response is how many commands
 * it holds. Go: `MockFSM`.
 *
 * @example
 * ```ts
 * import { makeCluster, MockFSM } from 'quorate/testing';
 *
 * await using cluster = await makeCluster(3);
 * const leader = await cluster.leader();
 * console.log(await leader.apply(new TextEncoder().encode('x'), 1000)); // 1
 * const fsm = cluster.fsms[cluster.indexOf(leader)];
 * if (fsm instanceof MockFSM) console.log(fsm.logs().length); // 1
 * ```
 */
export class MockFSM implements FSM {
  #logs: Uint8Array[] = [];
  /** Every configuration that {@link MockFSMConfigStore} was told, in order. */
  readonly configurations: Configuration[] = [];

  /** Keeps the command; answers how many there are now. Go: `MockFSM.Apply`. */
  apply(log: Log): number {
    this.#logs.push(log.data ?? new Uint8Array());
    return this.#logs.length;
  }

  /** A snapshot of the commands so far; later ones do not show in it. Go: `MockFSM.Snapshot`. */
  snapshot(): MockSnapshot {
    return new MockSnapshot(this.#logs, this.#logs.length);
  }

  /**
   * Replaces the commands by those of a snapshot. Rejects with an error of code
   * `ERR_MSGPACK` when it is none of {@link MockSnapshot}, and with the reader's error.
   * Go: `MockFSM.Restore`.
   */
  async restore(reader: AsyncIterable<Uint8Array>): Promise<void> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of reader) chunks.push(copyBytes(chunk));
    const from = Decoder.ofWhole(concatBytes(chunks));
    const logs: Uint8Array[] = [];
    const count = from.arrayHeader(Number.MAX_SAFE_INTEGER);
    for (let i = 0; i < count; i += 1) logs.push(from.bytes() ?? new Uint8Array());
    this.#logs = logs;
  }

  /** The commands, oldest first. Go: `MockFSM.Logs`. */
  logs(): readonly Uint8Array[] {
    return this.#logs;
  }
}

/** A {@link MockFSM} that is told configurations as well. Go: `MockFSMConfigStore`. */
export class MockFSMConfigStore implements ConfigurationStore {
  /** The state machine inside; its `configurations` grow. Go: the embedded `FSM`. */
  readonly fsm: MockFSM;

  /** @param fsm the state machine that commands go to */
  constructor(fsm: MockFSM = new MockFSM()) {
    this.fsm = fsm;
  }

  /** See {@link MockFSM.apply}. Go: `MockFSM.Apply`. */
  apply(log: Log): number {
    return this.fsm.apply(log);
  }

  /** See {@link MockFSM.snapshot}. Go: `MockFSM.Snapshot`. */
  snapshot(): MockSnapshot {
    return this.fsm.snapshot();
  }

  /** See {@link MockFSM.restore}. Go: `MockFSM.Restore`. */
  restore(reader: AsyncIterable<Uint8Array>): Promise<void> {
    return this.fsm.restore(reader);
  }

  /** Keeps a committed configuration. Go: `MockFSMConfigStore.StoreConfiguration`. */
  storeConfiguration(_index: number, configuration: Configuration): MaybePromise<void> {
    this.fsm.configurations.push(configuration);
  }
}

/** A state machine around another one, as middleware makes it. Go: `WrappingFSM`. */
export interface WrappingFSM extends FSM {
  /** The state machine inside. Go: `WrappingFSM.Underlying`. */
  underlying(): FSM;
}

function isWrapping(fsm: FSM): fsm is WrappingFSM {
  return 'underlying' in fsm && typeof fsm.underlying === 'function';
}

/** The {@link MockFSM} at the bottom of `fsm`, however often wrapped; `null` when there is none. */
export function getMockFSM(fsm: FSM): MockFSM | null {
  if (fsm instanceof MockFSM) return fsm;
  if (fsm instanceof MockFSMConfigStore) return fsm.fsm;
  return isWrapping(fsm) ? getMockFSM(fsm.underlying()) : null;
}
