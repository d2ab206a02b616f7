import type { KvClient } from './client.ts';
import { ClusterError } from './cluster.ts';

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
  readonly #acknowledged: Uint8Array;
  #count = 0;
  #next = 0;
  #waiters: Waiter[] = [];
  #elapsedMs = 0;

  constructor(client: KvClient, records: readonly KvRecord[]) {
    this.#client = client;
    this.records = records;
    this.#acknowledged = new Uint8Array(records.length);
  }

  /** Number of records that were acknowledged. */
  get count(): number {
    return this.#count;
  }

  /** How long the whole load took; 0 while it is under way. */
  get elapsedMs(): number {
    return this.#elapsedMs;
  }

  /** The records that were acknowledged. */
  get acknowledged(): KvRecord[] {
    return this.records.filter((_record, at) => this.#acknowledged[at] === 1);
  }

  /** Resolves when so many records were acknowledged. */
  reached(count: number): Promise<void> {
    if (this.#count >= count) return Promise.resolve();
    return new Promise((reached) => this.#waiters.push({ count, reached }));
  }

  /**
   * Writes everything, {@link IN_FLIGHT} records at a time.
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
      await Promise.all(Array.from({ length: IN_FLIGHT }, () => this.#work(either)));
    } finally {
      clearInterval(watchdog);
    }
    this.#elapsedMs = performance.now() - startMs;
  }

  async #work(signal: AbortSignal): Promise<void> {
    for (;;) {
      const at = this.#next;
      const record = this.records[at];
      if (record === undefined) return;
      this.#next += 1;
      await this.#client.put(record.key, record.value, signal);
      this.#acknowledged[at] = 1;
      this.#count += 1;
      this.#wake();
    }
  }

  #wake(): void {
    if (!this.#waiters.some(({ count }) => count <= this.#count)) return;
    const due = this.#waiters.filter(({ count }) => count <= this.#count);
    this.#waiters = this.#waiters.filter(({ count }) => count > this.#count);
    for (const { reached } of due) reached();
  }
}
