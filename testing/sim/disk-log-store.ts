import { copyBytes, utf8ToString } from '../../internal/bytes.ts';
import { ErrLogNotFound } from '../../raft/errors.ts';
import type {
  Log,
  LogStore,
  MaybePromise,
  RangeReadingLogStore,
  TailReplacingLogStore,
} from '../../raft/log.ts';
import type { AtomicStableStore, StableStore, StableWrite } from '../../raft/stable.ts';
import type { SimDisk } from './disk.ts';
import type { SimProcess } from './virtual-clock.ts';

function freezeLog(log: Log): Log {
  return Object.freeze({
    ...log,
    data: log.data === null ? null : copyBytes(log.data),
    extensions: log.extensions === null ? null : copyBytes(log.extensions),
  });
}

/**
 * Log and stable store of one process on a simulated disk: only what every store must do, so a tail
 * is replaced in two writes and a vote is kept in three.
 */
export class DiskStore implements LogStore, StableStore {
  readonly #disk: SimDisk;
  readonly #process: SimProcess;
  readonly #readDelayMs: number;

  /** @param readDelayMs how long a read of the log takes; 0 answers at once */
  constructor(disk: SimDisk, process: SimProcess, readDelayMs: number) {
    this.#disk = disk;
    this.#process = process;
    this.#readDelayMs = readDelayMs;
  }

  firstIndex(): MaybePromise<number> {
    return this.read(() => this.#disk.visible.firstIndex);
  }

  lastIndex(): MaybePromise<number> {
    return this.read(() => this.#disk.visible.lastIndex);
  }

  getLog(index: number): MaybePromise<Log> {
    return this.read(() => this.entry(index));
  }

  storeLog(log: Log): Promise<void> {
    return this.storeLogs([log]);
  }

  storeLogs(logs: readonly Log[]): Promise<void> {
    return this.#disk.write(this.#process, { kind: 'store', logs: logs.map(freezeLog) });
  }

  deleteRange(min: number, max: number): Promise<void> {
    return this.#disk.write(this.#process, { kind: 'delete', min, max });
  }

  set(key: Uint8Array, value: Uint8Array): Promise<void> {
    return this.writeKeys([{ key, value }]);
  }

  get(key: Uint8Array): Uint8Array {
    return this.#disk.visible.bytes(utf8ToString(key)) ?? new Uint8Array(0);
  }

  setUint64(key: Uint8Array, value: number): Promise<void> {
    return this.writeKeys([{ key, value }]);
  }

  getUint64(key: Uint8Array): number {
    return this.#disk.visible.number(utf8ToString(key));
  }

  /** The entry as a reader sees it now. */
  protected entry(index: number): Log {
    try {
      const log = this.#disk.visible.read(index);
      if (log === undefined) throw ErrLogNotFound;
      return log;
    } catch (error) {
      if (error !== ErrLogNotFound) this.#disk.noteDamageSeen();
      throw error;
    }
  }

  /** Takes as long as a read takes and sees what is there at its end. */
  protected read<T>(look: () => T): MaybePromise<T> {
    if (this.#readDelayMs === 0) return look();
    return this.#process.sleep(this.#readDelayMs).then(look);
  }

  /** Replaces a tail, as one write or as two. */
  protected replace(from: number, logs: readonly Log[]): Promise<void> {
    return this.#disk.write(this.#process, { kind: 'replace', from, logs: logs.map(freezeLog) });
  }

  /** Writes several keys, as one write or one by one. */
  protected writeKeys(writes: readonly StableWrite[]): Promise<void> {
    const values = new Map(
      writes.map(({ key, value }) => [
        utf8ToString(key),
        typeof value === 'number' ? value : copyBytes(value),
      ]),
    );
    return this.#disk.write(this.#process, { kind: 'keys', writes: values });
  }
}

/** The same with every optional ability. */
export class AtomicDiskStore
  extends DiskStore
  implements TailReplacingLogStore, RangeReadingLogStore, AtomicStableStore
{
  replaceTail(from: number, logs: readonly Log[]): Promise<void> {
    return this.replace(from, logs);
  }

  setMany(writes: readonly StableWrite[]): Promise<void> {
    return this.writeKeys(writes);
  }

  getLogRange(first: number, last: number, maxBytes: number): MaybePromise<Log[]> {
    return this.read(() => {
      const logs: Log[] = [];
      let sizeBytes = 0;
      for (let i = first; i <= last && (i === first || sizeBytes <= maxBytes); i += 1) {
        const log = this.entry(i);
        sizeBytes += log.data?.length ?? 0;
        logs.push(log);
      }
      return logs;
    });
  }
}
