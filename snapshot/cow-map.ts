import { RaftError } from '../raft/errors.ts';

/** Among so many maps old values are spread, so that none holds the loop when it grows. */
const PAGES = 512;

/**
 * One insertion of a key. Cells form a chain in the order of insertion. A deleted cell stays in the
 * chain as long as an open snapshot contains it, so that a walk along the chain never gets lost.
 * Epochs count snapshots: a snapshot of epoch e contains the cells with born < e <= died.
 */
interface Cell<K, V> {
  readonly key: K;
  value: V;
  /** Which insertion it was, counted from 0. */
  readonly number: number;
  readonly born: number;
  died: number;
  previous: Cell<K, V> | null;
  next: Cell<K, V> | null;
}

/**
 * Values that were overwritten since a snapshot, by the first write to each cell. They are spread
 * evenly over many maps: one map of half a million held the loop for 38 ms when it grew.
 */
class Overwritten<K, V> {
  readonly #pages: (Map<Cell<K, V>, { readonly value: V }> | undefined)[] = [];

  get(cell: Cell<K, V>): { readonly value: V } | undefined {
    return this.#pages[cell.number % PAGES]?.get(cell);
  }

  /** Keeps the value that the cell has, unless an older one is kept. */
  keep(cell: Cell<K, V>): void {
    const number = cell.number % PAGES;
    const page = this.#pages[number];
    const { value } = cell;
    if (page === undefined) this.#pages[number] = new Map([[cell, { value }]]);
    else if (!page.has(cell)) page.set(cell, { value });
  }

  clear(): void {
    this.#pages.length = 0;
  }
}

/** The part of a snapshot that its map writes to. */
interface SnapshotState<K, V> {
  readonly epoch: number;
  readonly first: Cell<K, V> | null;
  readonly overwritten: Overwritten<K, V>;
}

/** What a {@link CowMap} held at one moment. Must be released. */
export class CowMapSnapshot<K, V> implements Iterable<[K, V]> {
  /** How many entries it has. */
  readonly size: number;
  readonly #state: SnapshotState<K, V>;
  #onRelease: (() => void) | null;

  /** Only {@link CowMap.snapshot} makes these. */
  constructor(state: SnapshotState<K, V>, size: number, onRelease: () => void) {
    this.#state = state;
    this.size = size;
    this.#onRelease = onRelease;
  }

  /**
   * The entries as they were, in the order of their insertion. The map may be written between two
   * steps. Throws a `RaftError` (`ERR_SNAPSHOT_CLOSED`) at a step after `release()`.
   */
  *[Symbol.iterator](): Generator<[K, V], undefined> {
    const { epoch, first, overwritten } = this.#state;
    this.#checkOpen();
    for (let cell = first; cell !== null && cell.born < epoch; cell = cell.next) {
      if (cell.died < epoch) continue;
      yield [cell.key, (overwritten.get(cell) ?? cell).value];
      this.#checkOpen();
    }
  }

  /** Lets the map forget what only this snapshot needed. A second time it does nothing. */
  release(): void {
    const onRelease = this.#onRelease;
    this.#onRelease = null;
    onRelease?.();
  }

  #checkOpen(): void {
    if (this.#onRelease !== null) return;
    throw new RaftError('ERR_SNAPSHOT_CLOSED', 'snapshot of a CowMap was read after its release');
  }
}

/**
 * A `Map` for state machines: {@link CowMap.snapshot} takes no time, whatever the size, and what it
 * returns keeps showing the state of that moment while later writes go on. The first write to a key
 * while a snapshot is open saves the old value. The order of iteration is that of a `Map`.
 *
 * Values must not be changed in place: a snapshot holds the same objects. Set a new value instead.
 */
export class CowMap<K, V> implements Iterable<[K, V]> {
  #cells = new Map<K, Cell<K, V>>();
  #first: Cell<K, V> | null = null;
  #last: Cell<K, V> | null = null;
  #epoch = 0;
  #inserted = 0;
  readonly #open = new Set<SnapshotState<K, V>>();
  /** Deleted cells that are in the chain for the sake of open snapshots. */
  #dead: Cell<K, V>[] = [];

  /** @param entries what it holds from the start; none by default */
  constructor(entries: Iterable<readonly [K, V]> = []) {
    for (const [key, value] of entries) this.set(key, value);
  }

  /** How many entries the map has. */
  get size(): number {
    return this.#cells.size;
  }

  /** The value of a key, or `undefined`. */
  get(key: K): V | undefined {
    return this.#cells.get(key)?.value;
  }

  /** True when the map has the key. */
  has(key: K): boolean {
    return this.#cells.has(key);
  }

  /** Gives a key a value. */
  set(key: K, value: V): this {
    const cell = this.#cells.get(key);
    if (cell === undefined) {
      this.#append(key, value);
      return this;
    }
    for (const { epoch, overwritten } of this.#open) {
      if (cell.born < epoch) overwritten.keep(cell);
    }
    cell.value = value;
    return this;
  }

  /** Removes a key; false when the map did not have it. */
  delete(key: K): boolean {
    const cell = this.#cells.get(key);
    if (cell === undefined) return false;
    this.#cells.delete(key);
    cell.died = this.#epoch;
    if (this.#isNeeded(cell)) this.#dead.push(cell);
    else this.#unlink(cell);
    return true;
  }

  /** Removes everything. Open snapshots keep the chain of cells, the map begins a new one. */
  clear(): void {
    this.#cells = new Map();
    this.#first = null;
    this.#last = null;
  }

  /** The keys, in the order of their insertion. */
  keys(): IterableIterator<K> {
    return this.#cells.keys();
  }

  /** The values, in the order in which their keys were inserted. */
  *values(): Generator<V, undefined> {
    for (const { value } of this.#cells.values()) yield value;
  }

  /** Keys and values, in the order of their insertion. */
  *entries(): Generator<[K, V], undefined> {
    for (const { key, value } of this.#cells.values()) yield [key, value];
  }

  /** Keys and values, in the order of their insertion. */
  [Symbol.iterator](): Generator<[K, V], undefined> {
    return this.entries();
  }

  /**
   * Keeps the state of this moment readable until its `release()`. Any number may be open; each
   * costs memory for what is overwritten or deleted meanwhile.
   */
  snapshot(): CowMapSnapshot<K, V> {
    this.#epoch += 1;
    const state = { epoch: this.#epoch, first: this.#first, overwritten: new Overwritten<K, V>() };
    this.#open.add(state);
    return new CowMapSnapshot(state, this.size, () => this.#release(state));
  }

  #append(key: K, value: V): void {
    const previous = this.#last;
    const born = this.#epoch;
    const number = this.#inserted;
    this.#inserted += 1;
    const cell: Cell<K, V> = { key, value, number, born, died: Infinity, previous, next: null };
    if (previous === null) this.#first = cell;
    else previous.next = cell;
    this.#last = cell;
    this.#cells.set(key, cell);
  }

  #isNeeded({ born, died }: Cell<K, V>): boolean {
    for (const { epoch } of this.#open) if (born < epoch && epoch <= died) return true;
    return false;
  }

  /** The cell's own pointers stay: a snapshot may begin its walk at a cell it does not contain. */
  #unlink(cell: Cell<K, V>): void {
    if (cell.previous !== null) cell.previous.next = cell.next;
    if (cell.next !== null) cell.next.previous = cell.previous;
    if (this.#first === cell) this.#first = cell.next;
    if (this.#last === cell) this.#last = cell.previous;
  }

  #release(state: SnapshotState<K, V>): void {
    this.#open.delete(state);
    state.overwritten.clear();
    const dead = this.#dead;
    this.#dead = [];
    for (const cell of dead) {
      if (this.#isNeeded(cell)) this.#dead.push(cell);
      else this.#unlink(cell);
    }
  }
}

/**
 * Makes a map whose snapshots take no time; see {@link CowMap}.
 *
 * @param entries what it holds from the start
 */
export function newCowMap<K, V>(entries: Iterable<readonly [K, V]> = []): CowMap<K, V> {
  return new CowMap(entries);
}
