import type { Clock, TimerHandle } from '../../internal/clock.ts';
import { RingBuffer } from '../../internal/ring-buffer.ts';
import { ErrEnqueueTimeout } from '../errors.ts';

/** Somebody who waits to be let in. */
export interface Guest {
  /** When it gives up, in milliseconds of the node's clock; 0 for never. */
  readonly deadlineMs: number;
  readonly sizeBytes: number;
  /** Wants in no more, and was told so; {@link WaitingRoom.leave} frees its place. */
  readonly hasLeft: boolean;
  /** It was never let in. */
  refuse(error: Error): void;
}

/** More than this are not let wait: the caller is told at once. */
const MAX_WAITING = 65_536;
const MAX_WAITING_BYTES = 256 * 1024 * 1024;

/**
 * Where requests wait for the main lane, in order, each for as long as its caller said. Go's
 * callers block on an unbuffered channel; here they hold a future, so the room has a size.
 */
export class WaitingRoom<T extends Guest> {
  readonly #clock: Clock;
  readonly #guests = new RingBuffer<T>();
  #bytes = 0;
  /** Guests that have left and are still among the others. */
  #gone = 0;
  #sweep: TimerHandle | null = null;
  #sweepAtMs = 0;
  /**
   * No guest has to be looked at before; 0 when none has a deadline. May be too early, never late.
   */
  #earliestMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get length(): number {
    return this.#guests.length - this.#gone;
  }

  /** Lets `guest` wait, or refuses it at once when the room is full. */
  enter(guest: T): boolean {
    if (this.length >= MAX_WAITING || this.#bytes > MAX_WAITING_BYTES) {
      guest.refuse(ErrEnqueueTimeout);
      return false;
    }
    this.#guests.push(guest);
    this.#bytes += guest.sizeBytes;
    this.#noteDeadline(guest.deadlineMs);
    return true;
  }

  /** A guest that waits has given up: its place is free. */
  leave(guest: T): void {
    this.#bytes -= guest.sizeBytes;
    this.#gone += 1;
    // Not one by one: thousands may leave at once.
    if (this.#gone > this.length) this.#keep(() => true);
  }

  /** Lets the next in line in. Whoever waited too long is refused and passed over. */
  next(): T | undefined {
    for (let guest = this.#guests.shift(); guest !== undefined; guest = this.#guests.shift()) {
      if (guest.hasLeft) {
        this.#gone -= 1;
        continue;
      }
      this.#bytes -= guest.sizeBytes;
      if (guest.deadlineMs === 0 || this.#clock.monotonicMs() <= guest.deadlineMs) return guest;
      guest.refuse(ErrEnqueueTimeout);
    }
    this.#earliestMs = 0;
    return undefined;
  }

  /** Call when guests stay behind: makes sure that their deadlines are looked at. */
  watchDeadlines(): void {
    const earliestMs = this.#earliestMs;
    if (this.length === 0 || earliestMs === 0) return;
    if (this.#sweep !== null && this.#sweepAtMs <= earliestMs) return;
    this.#sweep?.cancel();
    this.#sweepAtMs = earliestMs;
    this.#sweep = this.#clock.setTimer(earliestMs - this.#clock.monotonicMs(), () => {
      this.#sweep = null;
      this.#refuseLate();
      this.watchDeadlines();
    });
  }

  /** Refuses everybody and closes. */
  refuseAll(error: Error): void {
    this.#sweep?.cancel();
    this.#sweep = null;
    for (let guest = this.#guests.shift(); guest !== undefined; guest = this.#guests.shift()) {
      if (!guest.hasLeft) guest.refuse(error);
    }
    this.#bytes = 0;
    this.#gone = 0;
  }

  #noteDeadline(deadlineMs: number): void {
    if (deadlineMs === 0) return;
    if (this.#earliestMs === 0 || deadlineMs < this.#earliestMs) this.#earliestMs = deadlineMs;
  }

  #refuseLate(): void {
    const nowMs = this.#clock.monotonicMs();
    const late: T[] = [];
    this.#keep((guest) => {
      const isLate = guest.deadlineMs > 0 && guest.deadlineMs <= nowMs;
      if (isLate) late.push(guest);
      return !isLate;
    });
    for (const guest of late) guest.refuse(ErrEnqueueTimeout);
  }

  /** Lets those stay who may, in their order; whoever has left is forgotten. */
  #keep(stays: (guest: T) => boolean): void {
    const count = this.#guests.length;
    this.#earliestMs = 0;
    this.#gone = 0;
    for (let i = 0; i < count; i += 1) {
      const guest = this.#guests.shift();
      if (guest === undefined) break;
      if (guest.hasLeft) continue;
      if (stays(guest)) {
        this.#guests.push(guest);
        this.#noteDeadline(guest.deadlineMs);
      } else this.#bytes -= guest.sizeBytes;
    }
  }
}
