/** Something that happens at an instant of virtual time. */
export interface QueuedEvent {
  /** When it is due, in virtual milliseconds. */
  readonly atMs: number;
  /** 0 comes first at an instant; 1 waits for all that is due at the same instant. */
  readonly phase: 0 | 1;
  /** Order of insertion, which breaks the remaining ties. */
  readonly order: number;
}

function isBefore(a: QueuedEvent, b: QueuedEvent): boolean {
  if (a.atMs !== b.atMs) return a.atMs < b.atMs;
  if (a.phase !== b.phase) return a.phase < b.phase;
  return a.order < b.order;
}

/** Events in the order of time, phase and insertion: a binary heap. */
export class EventQueue<E extends QueuedEvent> {
  readonly #heap: E[] = [];

  get length(): number {
    return this.#heap.length;
  }

  /** The event that {@link EventQueue.pop} would give. */
  peek(): E | undefined {
    return this.#heap[0];
  }

  push(event: E): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || !isBefore(event, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = event;
  }

  pop(): E | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    this.#sink(last);
    return first;
  }

  /** Puts `event` at the root and lets it sink to its place. */
  #sink(event: E): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      let child = heap[below];
      if (child === undefined) break;
      const right = heap[below + 1];
      if (right !== undefined && isBefore(right, child)) {
        below += 1;
        child = right;
      }
      if (!isBefore(child, event)) break;
      heap[at] = child;
      at = below;
    }
    heap[at] = event;
  }
}
