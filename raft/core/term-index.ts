import { assert } from '../../internal/assert.ts';

/** Neighbouring entries of one term. */
export interface TermRun {
  readonly first: number;
  readonly last: number;
  readonly term: number;
}

/** A run as it is kept here: the last one grows with every append. */
interface GrowingRun {
  first: number;
  last: number;
  term: number;
}

/**
 * The term of every entry in the log, without asking the disk, so that no rule ever waits for it.
 *
 *     index   1  2  3  4  5  6        9  10
 *     term    1  1  2  2  2  4        5  5
 *     runs   [1–2:1][3–5:2][6–6:4]   [9–10:5]      a hole is left by a user restore
 *
 * Invariant: runs are sorted, do not overlap, and neighbouring runs without a hole differ in term.
 */
export class TermIndex {
  readonly #runs: GrowingRun[];

  constructor(runs: readonly TermRun[] = []) {
    this.#runs = [];
    for (const run of runs) {
      assert(run.first <= run.last, `a run of terms must not be empty: ${JSON.stringify(run)}`);
      const before = this.#runs.at(-1);
      assert(
        before === undefined || before.last < run.first,
        `runs of terms must be sorted: ${JSON.stringify([before, run])}`,
      );
      this.#extend(run.first, run.last, run.term);
    }
  }

  /** Index of the first entry, 0 when there is none. */
  get firstIndex(): number {
    return this.#runs[0]?.first ?? 0;
  }

  /** Index of the last entry, 0 when there is none. */
  get lastIndex(): number {
    return this.#runs.at(-1)?.last ?? 0;
  }

  /** Term of the last entry, 0 when there is none. */
  get lastTerm(): number {
    return this.#runs.at(-1)?.term ?? 0;
  }

  /** The runs, oldest first. */
  get runs(): readonly TermRun[] {
    return this.#runs;
  }

  /** The term of the entry at `index`, undefined when the log has no such entry. */
  termAt(index: number): number | undefined {
    const newest = this.#runs.at(-1);
    if (newest === undefined || index > newest.last) return undefined;
    if (index >= newest.first) return newest.term;
    let low = 0;
    let high = this.#runs.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const run = this.#runs[middle];
      if (run === undefined) return undefined;
      if (index < run.first) high = middle - 1;
      else if (index > run.last) low = middle + 1;
      else return run.term;
    }
    return undefined;
  }

  /** Adds entries `first` to `last` of one term behind all others. */
  append(first: number, last: number, term: number): void {
    assert(
      first > this.lastIndex && last >= first,
      () => `entries ${first}..${last} must follow the last index ${this.lastIndex}`,
    );
    assert(
      term >= this.lastTerm,
      () => `terms in a log never fall: ${term} after ${this.lastTerm} at index ${first}`,
    );
    this.#extend(first, last, term);
  }

  /** Forgets the entry at `from` and everything behind it. */
  truncateFrom(from: number): void {
    for (let run = this.#runs.at(-1); run !== undefined; run = this.#runs.at(-1)) {
      if (run.last < from) return;
      if (run.first < from) run.last = from - 1;
      else this.#runs.pop();
    }
  }

  /** Forgets the entries up to `upTo`, that one included. */
  forgetUpTo(upTo: number): void {
    let dropped = 0;
    while (dropped < this.#runs.length) {
      const run = this.#runs[dropped];
      if (run === undefined || run.last > upTo) break;
      dropped += 1;
    }
    this.#runs.splice(0, dropped);
    const oldest = this.#runs[0];
    if (oldest !== undefined && oldest.first <= upTo) oldest.first = upTo + 1;
  }

  #extend(first: number, last: number, term: number): void {
    const newest = this.#runs.at(-1);
    if (newest !== undefined && newest.last + 1 === first && newest.term === term) {
      newest.last = last;
    } else {
      this.#runs.push({ first, last, term });
    }
  }
}
