import type { Clock, TimerHandle } from '../../internal/clock.ts';
import type { Timestamp } from '../../internal/timestamp.ts';
import { Scheduler, SimProcess } from '../sim/virtual-clock.ts';

/**
 * A clock for tests that never waits: as soon as nothing is left to do, it jumps to the next timer.
 * An election takes no time, and the same test takes the same course on every machine, however busy
 * that is. Time goes on by itself while any timer is set; all nodes of a test share one clock. What
 * waits for the real world, such as a disk or a socket, sees time fly by meanwhile.
 *
 * @example
 * ```ts
 * import { newVirtualClock } from 'quorate/testing';
 *
 * const clock = newVirtualClock();
 * await clock.sleep(3_600_000);
 * console.log(clock.monotonicMs()); // 3600000
 * ```
 */
export class VirtualClock implements Clock {
  readonly #scheduler = new Scheduler();
  readonly #process = new SimProcess(this.#scheduler, 'test');
  #waiting = 0;
  #isRunning = false;

  /** Milliseconds since the clock was made. */
  monotonicMs(): number {
    return this.#process.monotonicMs();
  }

  /** The time of day: 2023-11-14T22:13:20Z when the clock was made. */
  wallTime(): Timestamp {
    return this.#process.wallTime();
  }

  /** Calls `ring` once after `delayMs` (1 to 2^31-1) of virtual time. */
  setTimer(delayMs: number, ring: () => void): TimerHandle {
    let isWaiting = true;
    const end = (): void => {
      if (isWaiting) this.#waiting -= 1;
      isWaiting = false;
    };
    const timer = this.#process.setTimer(delayMs, () => {
      end();
      ring();
    });
    this.#begin();
    return {
      cancel: () => {
        end();
        timer.cancel();
      },
    };
  }

  /** Calls `resume` at the same moment of virtual time, after everything else that is due. */
  afterIO(resume: () => void): void {
    this.#process.afterIO(() => {
      this.#waiting -= 1;
      resume();
    });
    this.#begin();
  }

  /** Resolves after `delayMs` of virtual time. */
  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.setTimer(delayMs, resolve));
  }

  #begin(): void {
    this.#waiting += 1;
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#run();
  }

  /** Rejects, unhandled, only when a timer's callback throws: it would on the real clock, too. */
  async #run(): Promise<void> {
    const isIdle = (): boolean => this.#waiting === 0;
    try {
      while (!isIdle()) {
        await this.#scheduler.run(isIdle, Number.POSITIVE_INFINITY, () => {});
      }
    } finally {
      this.#isRunning = false;
    }
  }
}

/** A new clock that shows 0 ms and never waits. See {@link VirtualClock}. Beyond Go. */
export function newVirtualClock(): VirtualClock {
  return new VirtualClock();
}
