import type { Clock } from '../../internal/clock.ts';
import type { FilterFn, Observation, ObservationSink } from '../../raft/observation.ts';

/** What is kept until somebody looks; further observations are dropped, as by Go's channel. */
const CAPACITY = 1024;

/** What the nodes of a test cluster do, kept until a test waits for it. */
export class Observations implements ObservationSink {
  readonly #clock: Clock;
  readonly #unseen: Observation[] = [];
  readonly #wakers = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  observe(observation: Observation): undefined {
    if (this.#unseen.length < CAPACITY) this.#unseen.push(observation);
    for (const wake of this.#wakers) wake();
  }

  /**
   * Takes observations until one passes `filter`.
   *
   * @param timeoutMs how long to wait, 0 for ever
   * @returns true for an observation, false when the time was over first
   */
  async next(filter: FilterFn | null, timeoutMs: number): Promise<boolean> {
    let isOver = false;
    let wake = (): void => {};
    const timer =
      timeoutMs > 0
        ? this.#clock.setTimer(timeoutMs, () => {
            isOver = true;
            wake();
          })
        : undefined;
    try {
      for (;;) {
        for (let o = this.#unseen.shift(); o !== undefined; o = this.#unseen.shift()) {
          if (filter === null || filter(o)) return true;
        }
        if (isOver) return false;
        await new Promise<void>((resolve) => {
          wake = resolve;
          this.#wakers.add(wake);
        });
        this.#wakers.delete(wake);
      }
    } finally {
      timer?.cancel();
    }
  }
}
