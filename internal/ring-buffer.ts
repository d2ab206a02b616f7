/**
 * A queue on a circular array: constant-time push and shift, no element is ever moved.
 *
 *      head          tail
 *       v             v
 *   [ . a b c d e f g . . ]      length 7, capacity a power of two, doubles when full
 */
export class RingBuffer<T> {
  #slots: (T | undefined)[];
  #head = 0;
  #length = 0;

  constructor(initialCapacity = 16) {
    let capacity = 1;
    while (capacity < initialCapacity) capacity *= 2;
    this.#slots = new Array<T | undefined>(capacity).fill(undefined);
  }

  get length(): number {
    return this.#length;
  }

  push(item: T): void {
    if (this.#length === this.#slots.length) this.#grow();
    this.#slots[(this.#head + this.#length) & (this.#slots.length - 1)] = item;
    this.#length += 1;
  }

  /** Puts an item in front of all others. */
  unshift(item: T): void {
    if (this.#length === this.#slots.length) this.#grow();
    this.#head = (this.#head - 1) & (this.#slots.length - 1);
    this.#slots[this.#head] = item;
    this.#length += 1;
  }

  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#slots[this.#head];
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#slots.length - 1);
    this.#length -= 1;
    return item;
  }

  pop(): T | undefined {
    if (this.#length === 0) return undefined;
    this.#length -= 1;
    const at = (this.#head + this.#length) & (this.#slots.length - 1);
    const item = this.#slots[at];
    this.#slots[at] = undefined;
    return item;
  }

  /** The item at `position` from the head, or undefined beyond the end. */
  at(position: number): T | undefined {
    if (position < 0 || position >= this.#length) return undefined;
    return this.#slots[(this.#head + position) & (this.#slots.length - 1)];
  }

  clear(): void {
    this.#slots = new Array<T | undefined>(16).fill(undefined);
    this.#head = 0;
    this.#length = 0;
  }

  #grow(): void {
    const bigger = new Array<T | undefined>(this.#slots.length * 2).fill(undefined);
    for (let i = 0; i < this.#length; i += 1) bigger[i] = this.at(i);
    this.#slots = bigger;
    this.#head = 0;
  }
}
