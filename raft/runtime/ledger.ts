import { assert } from '../../internal/assert.ts';
import { RingBuffer } from '../../internal/ring-buffer.ts';
import type { Ticket } from '../core/input.ts';
import type { EntryFuture } from '../future.ts';

/** Somebody who waits for an answer, behind the number that the rules know. */
export interface Waiter {
  /** Takes the answer. */
  settle(value: unknown): void;
  /** Takes the reason why there is none. */
  fail(error: Error): void;
  /** Callers beside the first who wait for the same answer, and have joined the ledger. */
  readonly others?: number;
}

/** Callers that may wait for an answer at a time. */
const MAX_WAITERS = 65_536;

/** Who stands behind each ticket. A ticket is answered once and then forgotten. */
export class Ledger {
  readonly #waiters = new Map<Ticket, Waiter>();
  #lastTicket = 0;
  /** Callers who wait behind the ticket of another. */
  #others = 0;

  /** How many wait. */
  get size(): number {
    return this.#waiters.size + this.#others;
  }

  /** True when so many wait that no further caller should. */
  get isFull(): boolean {
    return this.size >= MAX_WAITERS;
  }

  open(waiter: Waiter): Ticket {
    this.#lastTicket += 1;
    this.#waiters.set(this.#lastTicket, waiter);
    return this.#lastTicket;
  }

  /** One more waits behind a ticket that is open, whose waiter counts it. */
  join(): void {
    this.#others += 1;
  }

  /** True until the ticket is answered. */
  has(ticket: Ticket): boolean {
    return this.#waiters.has(ticket);
  }

  /** Takes the waiter out; undefined when it was answered before. */
  take(ticket: Ticket): Waiter | undefined {
    const waiter = this.#waiters.get(ticket);
    this.#waiters.delete(ticket);
    this.#others -= waiter?.others ?? 0;
    return waiter;
  }

  settle(ticket: Ticket, value: unknown): void {
    this.take(ticket)?.settle(value);
  }

  fail(ticket: Ticket, error: Error): void {
    this.take(ticket)?.fail(error);
  }

  /** Fails everybody who still waits, also those behind one that throws; throws what it threw. */
  failAll(error: Error): void {
    const waiters = [...this.#waiters.values()];
    this.#waiters.clear();
    this.#others = 0;
    const thrown: unknown[] = [];
    for (const waiter of waiters) {
      try {
        waiter.fail(error);
      } catch (fault) {
        thrown.push(fault);
      }
    }
    if (thrown.length > 0) throw thrown[0];
  }
}

/**
 * The futures of a leader's entries, by index: entries are consecutive, so a ring does and no entry
 * costs a map.
 */
export class InFlightEntries {
  readonly #futures = new RingBuffer<EntryFuture | null>(1024);
  readonly #sizes = new RingBuffer<number>(1024);
  #firstIndex = 0;
  #bytes = 0;

  /** Entries that were proposed here and that the FSM has not finished. */
  get size(): number {
    return this.#futures.length;
  }

  /** What those entries hold in memory. */
  get bytes(): number {
    return this.#bytes;
  }

  get #lastIndex(): number {
    return this.#firstIndex + this.#futures.length - 1;
  }

  /** Adds the future of the next entry; null for an entry that nobody waits for. */
  push(index: number, future: EntryFuture | null, sizeBytes: number): void {
    if (this.#futures.length === 0) this.#firstIndex = index;
    assert(
      index > this.#lastIndex,
      () =>
        `futures are kept in the order of entries: expected ${this.#lastIndex + 1}, got ${index}`,
    );
    // Between two leaderships of this node others may have led, and written what is missing here.
    while (this.#lastIndex + 1 < index) this.#add(null, 0);
    future?.setIndex(index);
    this.#add(future, sizeBytes);
  }

  #add(future: EntryFuture | null, sizeBytes: number): void {
    this.#futures.push(future);
    this.#sizes.push(sizeBytes);
    this.#bytes += sizeBytes;
  }

  /** Gives the newest entry, which was added without a future, its future. */
  bind(index: number, future: EntryFuture): void {
    assert(index === this.#lastIndex, () => `only the newest entry can be bound, got ${index}`);
    this.#futures.pop();
    future.setIndex(index);
    this.#futures.push(future);
  }

  /** Takes the future of entry `index`, and drops those before it. */
  take(index: number): EntryFuture | null {
    while (this.#futures.length > 0 && this.#firstIndex <= index) {
      const future = this.#futures.shift() ?? null;
      this.#bytes -= this.#sizes.shift() ?? 0;
      this.#firstIndex += 1;
      if (this.#firstIndex > index) return future;
    }
    return null;
  }

  /** Fails the futures of the entries after `after`: what becomes of those entries is unknown. */
  failAfter(after: number, error: Error): void {
    const lost: (EntryFuture | null)[] = [];
    while (this.#futures.length > 0 && this.#lastIndex > after) {
      lost.push(this.#futures.pop() ?? null);
      this.#bytes -= this.#sizes.pop() ?? 0;
    }
    for (const future of lost.reverse()) future?.lost(error);
  }
}
