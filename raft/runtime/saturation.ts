/** A lane reports at most this often. */
export const SATURATION_INTERVAL_MS = 1000;

/**
 * How busy a lane is: the share of its time that it worked and did not wait for work. The lane says
 * when it begins to wait and when it begins to work, in turn and waiting first; time in which it
 * did not keep to that is left out. It reports from within those calls, so a lane that does nothing
 * at all says nothing. Go: `saturationMetric`.
 */
export class Saturation {
  readonly #intervalMs: number;
  readonly #nowMs: () => number;
  readonly #report: (saturation: number) => void;
  #lastReportMs: number;
  #sleepBeganMs: number | null = null;
  #workBeganMs: number | null = null;
  #sleptMs = 0;
  #lostMs = 0;

  /** @param report gets the share, 0 to 1, of the time since it was last called */
  constructor(intervalMs: number, nowMs: () => number, report: (saturation: number) => void) {
    this.#intervalMs = intervalMs;
    this.#nowMs = nowMs;
    this.#report = report;
    this.#lastReportMs = nowMs();
  }

  /** The lane begins to wait for work. */
  sleeping(): void {
    const nowMs = this.#nowMs();
    if (this.#sleepBeganMs !== null) this.#lostMs += nowMs - this.#sleepBeganMs;
    this.#sleepBeganMs = nowMs;
    this.#workBeganMs = null;
    this.#reportWhenDue(nowMs);
  }

  /** The lane begins to work. */
  working(): void {
    const nowMs = this.#nowMs();
    if (this.#workBeganMs !== null) this.#lostMs += nowMs - this.#workBeganMs;
    else if (this.#sleepBeganMs !== null) this.#sleptMs += nowMs - this.#sleepBeganMs;
    else this.#lostMs += nowMs - this.#lastReportMs;
    this.#workBeganMs = nowMs;
    this.#sleepBeganMs = null;
    this.#reportWhenDue(nowMs);
  }

  #reportWhenDue(nowMs: number): void {
    const sinceMs = nowMs - this.#lastReportMs;
    if (sinceMs < this.#intervalMs) return;
    const totalMs = sinceMs - this.#lostMs;
    const share = totalMs === 0 ? 0 : (totalMs - this.#sleptMs) / totalMs;
    this.#report(Math.round(share * 100) / 100);
    this.#sleptMs = 0;
    this.#lostMs = 0;
    this.#lastReportMs = nowMs;
  }
}
