import type { KvClient } from './client.ts';
import { ClusterError } from './cluster.ts';
import type { LineSource } from './stream-client.ts';

/** A record to be stored. */
export interface KvRecord {
  readonly key: string;
  readonly value: Uint8Array;
}

/** How many writes are under way at the same time. */
export const IN_FLIGHT = 64;

const STALL_LIMIT_MS = 60_000;

interface Waiter {
  readonly count: number;
  readonly reached: () => void;
}

/** Writes records one proposal each, and remembers which of them were acknowledged. */
export class Load {
  readonly records: readonly KvRecord[];
  readonly #client: KvClient;
  #count = 0;
  #sent = 0;
  #waiters: Waiter[] = [];
  #elapsedMs = 0;

  constructor(client: KvClient, records: readonly KvRecord[]) {
    this.#client = client;
    this.records = records;
  }

  /** Number of records that were acknowledged. */
  get count(): number {
    return this.#count;
  }

  /** How long the whole load took; 0 while it is under way. */
  get elapsedMs(): number {
    return this.#elapsedMs;
  }

  /** The records that were acknowledged: acknowledgements come in the order of the records. */
  get acknowledged(): readonly KvRecord[] {
    return this.records.slice(0, this.#count);
  }

  /** Resolves when so many records were acknowledged. */
  reached(count: number): Promise<void> {
    if (this.#count >= count) return Promise.resolve();
    return new Promise((reached) => this.#waiters.push({ count, reached }));
  }

  /**
   * Writes everything, {@link IN_FLIGHT} records at a time. A record whose fate is not known is
   * sent again, which does no harm: it stores the same value under the same key.
   *
   * @throws when `signal` says so, or when nothing is acknowledged for a minute
   */
  async run(signal: AbortSignal): Promise<void> {
    const startMs = performance.now();
    const stalled = new AbortController();
    let lastCount = 0;
    const watchdog = setInterval(() => {
      if (this.#count === lastCount) {
        stalled.abort(new ClusterError(`no write was acknowledged for ${STALL_LIMIT_MS / 1000} s`));
      }
      lastCount = this.#count;
    }, STALL_LIMIT_MS);
    try {
      const either = AbortSignal.any([signal, stalled.signal]);
      await this.#client.writeLines(this.#lines, IN_FLIGHT, either);
    } finally {
      clearInterval(watchdog);
    }
    this.#elapsedMs = performance.now() - startMs;
  }

  readonly #lines: LineSource = {
    rewind: () => {
      this.#sent = this.#count;
    },
    next: () => {
      const record = this.records[this.#sent];
      if (record === undefined) return undefined;
      this.#sent += 1;
      const { key, value } = record;
      return JSON.stringify({ op: 'set', key, base64: Buffer.from(value).toString('base64') });
    },
    acknowledged: (count) => {
      this.#count += count;
      this.#wake();
    },
  };

  #wake(): void {
    if (!this.#waiters.some(({ count }) => count <= this.#count)) return;
    const due = this.#waiters.filter(({ count }) => count <= this.#count);
    this.#waiters = this.#waiters.filter(({ count }) => count > this.#count);
    for (const { reached } of due) reached();
  }
}
