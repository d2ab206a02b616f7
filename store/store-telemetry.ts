import { type Instruments, instrumentsOf, type Meter } from '../raft/metrics.ts';
import type { Records } from './records.ts';

/**
 * What a store on the disk measures, under the names of raft-boltdb, so that what watches a Go node
 * watches ours. What BoltDB tells of its pages and transactions has no counterpart.
 */
export class StoreTelemetry {
  readonly #instruments: Instruments<
    | 'raft.boltdb.getLog'
    | 'raft.boltdb.storeLogs'
    | 'raft.boltdb.logSize'
    | 'raft.boltdb.logsPerBatch'
    | 'raft.boltdb.logBatchSize'
    | 'raft.boltdb.writeCapacity'
  >;

  constructor(meter: Meter) {
    this.#instruments = instrumentsOf(meter, [
      'raft.boltdb.getLog',
      'raft.boltdb.storeLogs',
      'raft.boltdb.logSize',
      'raft.boltdb.logsPerBatch',
      'raft.boltdb.logBatchSize',
      'raft.boltdb.writeCapacity',
    ]);
  }

  /** One entry was read. */
  read(durationMs: number): void {
    this.#instruments['raft.boltdb.getLog'].record(durationMs);
  }

  /** A call's entries are on the disk. */
  stored(logs: Records, durationMs: number): void {
    if (logs.length === 0) return;
    for (let at = 0; at < logs.length; at += 1) {
      this.#instruments['raft.boltdb.logSize'].record(logs.sizeAt(at));
    }
    this.#instruments['raft.boltdb.storeLogs'].record(durationMs);
    this.#instruments['raft.boltdb.logsPerBatch'].record(logs.length);
    this.#instruments['raft.boltdb.logBatchSize'].record(logs.sizeBytes);
    if (durationMs > 0) {
      this.#instruments['raft.boltdb.writeCapacity'].record((logs.length * 1000) / durationMs);
    }
  }
}
