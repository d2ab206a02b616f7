import { Timestamp } from './timestamp.ts';

/** A timer that has been set; cancelling one that has rung does nothing. */
export interface TimerHandle {
  /** Takes the timer back: it does not ring. */
  cancel(): void;
}

/**
 * Time as a port. Nothing else in a node reads a clock or sets a timer, so that a simulation can
 * run it on virtual time.
 */
export interface Clock {
  /** Milliseconds on a clock that never goes back; only differences mean anything. */
  monotonicMs(): number;
  /** The time of day, for humans and for `Log.appendedAt`. */
  wallTime(): Timestamp;
  /** Calls `ring` once after `delayMs`. Delays are clamped to what the platform can count. */
  setTimer(delayMs: number, ring: () => void): TimerHandle;
  /**
   * Calls `resume` after input that is already readable has been delivered. A timer that rings
   * after the process was stalled must not be believed before what arrived during the stall was
   * seen.
   */
  afterIO(resume: () => void): void;
}

/** setTimeout counts in a signed 32-bit integer and fires at once when that overflows. */
export const MAX_TIMER_DELAY_MS = 2_147_483_647;

/** The delay a platform timer can honour: at least 1 ms, at most 2^31-1 ms. */
export function clampDelayMs(delayMs: number): number {
  return Math.min(Math.max(delayMs, 1), MAX_TIMER_DELAY_MS);
}

function afterPollPhase(resume: () => void): void {
  if (typeof setImmediate === 'function') setImmediate(resume);
  else setTimeout(resume, 0);
}

/** The clock of the machine. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallTime: () => {
    const ms = Date.now();
    const seconds = Math.floor(ms / 1000);
    return new Timestamp(seconds, (ms - seconds * 1000) * 1e6);
  },
  setTimer: (delayMs, ring) => {
    const timer = setTimeout(ring, clampDelayMs(delayMs));
    return { cancel: () => clearTimeout(timer) };
  },
  afterIO: afterPollPhase,
};

/**
 * True while a test has put fake timers in the place of the platform's (those of vitest, jest and
 * sinon are one library, and mark what they replace).
 */
export function hasFakeTimers(): boolean {
  return Reflect.get(globalThis.setTimeout, 'clock') !== undefined;
}
