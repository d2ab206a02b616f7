import type { Clock } from '../../internal/clock.ts';
import { asError, RaftError } from '../../raft/errors.ts';
import { Gatherer } from './gather.ts';
import type { PipeWriter } from './pipe.ts';

/** A slice has at most this many items and bytes, however fast they come. */
const SLICE_ITEMS = 4096;
const SLICE_BYTES = 1024 * 1024;
/** Of the time that a slice may take, drawing is given its share, with something to spare. */
const SPARE = 0.8;
/** That share before anything was measured, and when sending takes nearly all of the time. */
const LEAST_DRAWING = 0.1;

/** How much of the main thread the drawing and applying of items may take. */
export interface Pace {
  /** What the time is measured by. */
  readonly clock: Clock;
  /** Milliseconds that one slice may take, above 0. */
  readonly sliceMs: number;
  /** The part of the time that slices may take, above 0, at most 1. */
  readonly share: number;
}

/** Lets the loop turn, and rests so long that a slice of `spentMs` was no more than its share. */
export async function rest({ clock, share }: Pace, spentMs: number): Promise<void> {
  const restMs = spentMs / share - spentMs;
  await new Promise<void>((resume) => {
    if (restMs < 1) clock.afterIO(resume);
    else clock.setTimer(restMs, resume);
  });
}

/** Gives up the thread to whoever waits, so that nobody waits for longer than a slice. */
export class Turns {
  readonly #pace: Pace;
  #startMs: number;

  constructor(pace: Pace) {
    this.#pace = pace;
    this.#startMs = pace.clock.monotonicMs();
  }

  /** True when the slice that is under way has had its time. */
  get isOver(): boolean {
    return this.#pace.clock.monotonicMs() - this.#startMs >= this.#pace.sliceMs * SPARE;
  }

  /** Ends a slice, rests, and begins the next one. */
  async turn(): Promise<void> {
    await rest(this.#pace, this.#pace.clock.monotonicMs() - this.#startMs);
    this.#startMs = this.#pace.clock.monotonicMs();
  }
}

/** Items, whether they come at once or later. */
export type Source<Item> = Iterable<Item> | AsyncIterable<Item>;

type Next<Item> = () => IteratorResult<Item> | Promise<IteratorResult<Item>>;

function iteratorOf<Item>(source: Source<Item>): {
  next: Next<Item>;
  return?: () => unknown;
} {
  return Symbol.iterator in source ? source[Symbol.iterator]() : source[Symbol.asyncIterator]();
}

/** What is sent, and how. */
export interface Drawing<Item> {
  readonly source: Source<Item>;
  /** Buffers of an item that nobody else needs: they are moved and not copied. */
  readonly transfer: ((item: Item) => readonly ArrayBuffer[]) | undefined;
  readonly pace: Pace;
  /** Ends the drawing. */
  readonly signal: AbortSignal;
}

/**
 * Draws all of a source and sends it, slice by slice. Drawing is given that part of a slice's time
 * that it had of the slices before; the rest is what sending takes.
 */
export async function sendSlices<Item>(
  writer: PipeWriter<unknown[]>,
  { source, transfer, pace, signal }: Drawing<Item>,
): Promise<void> {
  const { clock, sliceMs } = pace;
  const iterator = iteratorOf(source);
  const next = iterator.next.bind(iterator);
  let drawingShare = LEAST_DRAWING;
  let isDone = false;
  try {
    while (!isDone) {
      await writer.room();
      signal.throwIfAborted();
      const startMs = clock.monotonicMs();
      const slice = new Slice(startMs + sliceMs * SPARE * drawingShare, clock);
      isDone = await slice.fill(next, transfer);
      const drawnMs = clock.monotonicMs();
      post(writer, slice);
      const spentMs = clock.monotonicMs() - startMs;
      if (spentMs > 0) drawingShare = Math.max(LEAST_DRAWING, (drawnMs - startMs) / spentMs);
      if (!isDone) await rest(pace, spentMs);
    }
    writer.end();
  } finally {
    if (!isDone) await iterator.return?.();
  }
}

function post(writer: PipeWriter<unknown[]>, { items, gatherer }: Slice): void {
  if (items.length === 0) return;
  try {
    writer.post(items, gatherer.transfer);
  } catch (thrown) {
    const cause = asError(thrown);
    const text = 'expected items of a snapshot that can be sent to a thread';
    throw new RaftError('ERR_INVALID_ARGUMENT', `${text}: ${cause.message}`, { cause });
  }
}

/** What is drawn of a source in one go. */
class Slice {
  readonly items: unknown[] = [];
  readonly gatherer = new Gatherer();
  readonly #untilMs: number;
  readonly #clock: Clock;

  constructor(untilMs: number, clock: Clock) {
    this.#untilMs = untilMs;
    this.#clock = clock;
  }

  get #isFull(): boolean {
    return (
      this.#clock.monotonicMs() >= this.#untilMs ||
      this.items.length >= SLICE_ITEMS ||
      this.gatherer.sizeBytes >= SLICE_BYTES
    );
  }

  /** Draws at least one item, and more as long as there is time. True at the end. */
  async fill<Item>(next: Next<Item>, transfer: Drawing<Item>['transfer']): Promise<boolean> {
    do {
      const drawn = next();
      // What comes at once is not awaited: it is most of the time that a slice has.
      const result = 'then' in drawn ? await drawn : drawn;
      if (result.done === true) return true;
      for (const buffer of transfer?.(result.value) ?? []) this.gatherer.move(buffer);
      this.items.push(this.gatherer.gather(result.value));
    } while (!this.#isFull);
    return false;
  }
}
