import type { Clock, TimerHandle } from '../../internal/clock.ts';
import type { LogFields, Logger } from '../logger.ts';

/** How often a long copy says how far it is. */
const INTERVAL_MS = 10_000;

/**
 * Says how far the reading of a snapshot is: every ten seconds, and at the end when it had not come
 * to say anything. Go: `snapshotRestoreMonitor`.
 */
export class SnapshotProgress {
  readonly #log: (message: string) => void;
  readonly #clock: Clock;
  readonly #message: string;
  readonly #sizeBytes: number;
  #readBytes = 0;
  #hasSpoken = false;
  #timer: TimerHandle | null = null;

  /** @param message "snapshot restore progress" or "snapshot network transfer progress" */
  constructor(log: Logger, clock: Clock, message: string, sizeBytes: number, fields: LogFields) {
    this.#log = (text) => log.info({ ...fields, ...this.#numbers() }, text);
    this.#clock = clock;
    this.#message = message;
    this.#sizeBytes = sizeBytes;
    this.#arm();
  }

  /** Bytes that were read so far. */
  get readBytes(): number {
    return this.#readBytes;
  }

  /** Counts bytes that were read. */
  count(bytes: number): void {
    this.#readBytes += bytes;
  }

  /** The reading is over, whichever way. */
  end(): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (!this.#hasSpoken) this.#speak();
  }

  #arm(): void {
    this.#timer = this.#clock.setTimer(INTERVAL_MS, () => {
      this.#speak();
      this.#arm();
    });
  }

  #speak(): void {
    this.#hasSpoken = true;
    this.#log(this.#message);
  }

  #numbers(): LogFields {
    const percent = this.#sizeBytes === 0 ? 100 : (100 * this.#readBytes) / this.#sizeBytes;
    return { 'read-bytes': this.#readBytes, 'percent-complete': `${percent.toFixed(2)}%` };
  }
}
