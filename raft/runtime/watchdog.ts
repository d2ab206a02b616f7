import type { Clock, TimerHandle } from '../../internal/clock.ts';
import { RaftError } from '../errors.ts';
import type { MaybePromise } from '../log.ts';

/** A timer that rings this late tells of a process that stood still, and its disk's answers. */
const STALL_MS = 100;
/** The clock is looked at this often within a limit: a standstill is seen wherever it is. */
const TICKS = 10;
/** A snapshot may be many gigabytes, all of which its store syncs at once: it gets more time. */
const SNAPSHOT_LIMITS = 10;

/** Something that is expected to end. */
export interface Watched {
  /** What it is, for the error that says that it did not. */
  readonly what: string;
  readonly limitMs: number;
  sinceMs: number;
}

/**
 * Notices what does not end in time. There is one timer for all, set again only when it rang, so
 * that watching costs nothing worth counting. Time in which the process stood still is no time in
 * which an answer could have been given or taken (rule 13), so it is not held against anybody.
 */
export class Watchdog {
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #onExpired: (watched: Watched, ageMs: number) => void;
  readonly #pending = new Set<Watched>();
  #timer: TimerHandle | null = null;
  #closed = false;

  constructor(clock: Clock, limitMs: number, onExpired: (watched: Watched, ageMs: number) => void) {
    this.#clock = clock;
    this.#limitMs = limitMs;
    this.#onExpired = onExpired;
  }

  begin(what: string, limitMs = this.#limitMs): Watched {
    const watched = { what, limitMs, sinceMs: this.#clock.monotonicMs() };
    this.#pending.add(watched);
    this.#arm(limitMs);
    return watched;
  }

  /** A part of it is done: the limit holds for each part. */
  progress(watched: Watched): void {
    watched.sinceMs = this.#clock.monotonicMs();
  }

  end(watched: Watched): void {
    this.#pending.delete(watched);
  }

  /** Watches a step in the making of a snapshot, which may sync all that was written before. */
  async whileSnapshot<T>(what: string, step: MaybePromise<T>): Promise<T> {
    const watched = this.begin(what, SNAPSHOT_LIMITS * this.#limitMs);
    try {
      return await step;
    } finally {
      this.end(watched);
    }
  }

  /** Watches nothing more. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = null;
    this.#pending.clear();
  }

  #arm(delayMs: number): void {
    if (this.#timer !== null || this.#closed) return;
    const tickMs = Math.min(delayMs, this.#limitMs / TICKS);
    const dueMs = this.#clock.monotonicMs() + tickMs;
    this.#timer = this.#clock.setTimer(tickMs, () => {
      this.#timer = null;
      const lateMs = this.#clock.monotonicMs() - dueMs;
      if (lateMs >= STALL_MS) this.#forgive(lateMs);
      else this.#clock.afterIO(() => this.#look());
    });
  }

  /** The process stood still: nobody's time ran, and answers may be on their way. */
  #forgive(lateMs: number): void {
    const nowMs = this.#clock.monotonicMs();
    for (const watched of this.#pending) {
      watched.sinceMs = Math.min(nowMs, watched.sinceMs + lateMs);
    }
    this.#arm(this.#limitMs);
  }

  #look(): void {
    if (this.#closed) return;
    const nowMs = this.#clock.monotonicMs();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const watched of this.#pending) {
      const ageMs = nowMs - watched.sinceMs;
      if (ageMs >= watched.limitMs) return this.#onExpired(watched, ageMs);
      nextMs = Math.min(nextMs, watched.limitMs - ageMs);
    }
    if (this.#pending.size > 0) this.#arm(nextMs);
  }
}

/** The error of a store that did not answer, in time in which the process ran. */
export function timedOut(what: string, ageMs: number): RaftError {
  return new RaftError('ERR_STORE_TIMEOUT', `${what} has not been answered for ${ageMs} ms`);
}
