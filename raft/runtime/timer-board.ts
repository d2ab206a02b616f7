import type { Clock, TimerHandle } from '../../internal/clock.ts';

/** Hears by how many milliseconds it comes late, what the network brought meanwhile left out. */
type Ring = (lateMs: number) => void;

interface Entry {
  deadlineMs: number;
  ring: Ring;
  handle: TimerHandle | null;
  /** When the handle will ring: earlier than the deadline when the timer was put off since. */
  handleAtMs: number;
}

/**
 * The named timers of a node. Putting a timer off costs two assignments: the platform's timer is
 * left alone and set again when it rings too early. A timer that rings is delivered after what the
 * network has already brought (rule 13): a stalled process must not believe its clock before its
 * inbox.
 */
export class TimerBoard<Key> {
  readonly #clock: Clock;
  readonly #entries = new Map<Key, Entry>();
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Sets the timer to ring once after `delayMs`, instead of whenever it was set to before. */
  set(key: Key, delayMs: number, ring: Ring): void {
    if (this.#closed) return;
    const deadlineMs = this.#clock.monotonicMs() + delayMs;
    const entry = this.#entries.get(key);
    if (entry === undefined) {
      const fresh: Entry = { deadlineMs, ring, handle: null, handleAtMs: 0 };
      this.#entries.set(key, fresh);
      this.#arm(key, fresh);
      return;
    }
    entry.deadlineMs = deadlineMs;
    entry.ring = ring;
    if (entry.handle !== null && entry.handleAtMs <= deadlineMs) return;
    entry.handle?.cancel();
    this.#arm(key, entry);
  }

  cancel(key: Key): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    entry.handle?.cancel();
    this.#entries.delete(key);
  }

  /** Cancels all timers; none can be set any more. */
  close(): void {
    this.#closed = true;
    for (const entry of this.#entries.values()) entry.handle?.cancel();
    this.#entries.clear();
  }

  #arm(key: Key, entry: Entry): void {
    const delayMs = entry.deadlineMs - this.#clock.monotonicMs();
    entry.handleAtMs = entry.deadlineMs;
    entry.handle = this.#clock.setTimer(delayMs, () => {
      entry.handle = null;
      if (this.#entries.get(key) !== entry) return;
      const lateMs = this.#clock.monotonicMs() - entry.deadlineMs;
      if (lateMs < -0.5) this.#arm(key, entry);
      else this.#clock.afterIO(() => this.#deliver(key, entry, Math.max(lateMs, 0)));
    });
  }

  #deliver(key: Key, entry: Entry, lateMs: number): void {
    if (this.#entries.get(key) !== entry || entry.handle !== null) return;
    if (entry.deadlineMs - this.#clock.monotonicMs() > 0.5) {
      this.#arm(key, entry);
      return;
    }
    this.#entries.delete(key);
    entry.ring(lateMs);
  }
}
