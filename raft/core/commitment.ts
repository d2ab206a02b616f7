import { type Configuration, type ServerID, votersOf } from '../configuration.ts';

/**
 * The commit rule (§5.3, §5.4.2): an entry is committed once a majority of voters hold it on disk,
 * and only by an entry of the leader's own term. One object lives as long as one leadership.
 * Go: `commitment`.
 */
export class Commitment {
  /** The highest index each voter is known to hold. */
  readonly #matchIndexes = new Map<ServerID, number>();
  /** The first index of this leadership: nothing before it is committed by counting (figure 8). */
  readonly startIndex: number;
  #commitIndex = 0;

  constructor(configuration: Configuration, startIndex: number) {
    this.startIndex = startIndex;
    for (const { id } of votersOf(configuration)) this.#matchIndexes.set(id, 0);
  }

  /** The highest index known to be committed; 0 until this leadership committed something. */
  get commitIndex(): number {
    return this.#commitIndex;
  }

  /** A voter holds everything up to `index`. True when the commit index moved. */
  match(server: ServerID, index: number): boolean {
    const known = this.#matchIndexes.get(server);
    if (known === undefined || index <= known) return false;
    this.#matchIndexes.set(server, index);
    return this.#recalculate();
  }

  /** The voters changed: kept ones keep their index, new ones start at 0. True when it moved. */
  setConfiguration(configuration: Configuration): boolean {
    const before = new Map(this.#matchIndexes);
    this.#matchIndexes.clear();
    for (const { id } of votersOf(configuration)) {
      this.#matchIndexes.set(id, before.get(id) ?? 0);
    }
    return this.#recalculate();
  }

  /** What a voter is known to hold; undefined for who is no voter. */
  matchIndexOf(server: ServerID): number | undefined {
    return this.#matchIndexes.get(server);
  }

  #recalculate(): boolean {
    if (this.#matchIndexes.size === 0) return false;
    const sorted = [...this.#matchIndexes.values()].sort((a, b) => a - b);
    const majority = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
    if (majority <= this.#commitIndex || majority < this.startIndex) return false;
    this.#commitIndex = majority;
    return true;
  }
}
