import type { Claim, ClaimedEntry } from './claim.ts';

/** What a node has acknowledged, and the one thing that it was asked and has not answered. */
export class Promises {
  /** By index. */
  readonly entries = new Map<number, ClaimedEntry>();
  term = 0;
  /** The last vote, `null` before the first. */
  vote: { readonly term: number; readonly candidate: string } | null = null;
  snapshotIndex = 0;
  /** How many acknowledgements there were. */
  count = 0;
  #open: Claim | null = null;

  called(claim: Claim): void {
    this.#open = claim;
  }

  acknowledged(claim: Claim): void {
    this.#open = null;
    this.count += 1;
    if (claim.kind === 'vote') {
      this.vote = claim;
      this.term = Math.max(this.term, claim.term);
    } else if (claim.kind === 'snapshot') {
      this.snapshotIndex = claim.index;
      this.entries.clear();
    } else {
      const conflict = this.#conflictOf(claim.entries);
      for (const index of [...this.entries.keys()]) {
        if (index >= conflict) this.entries.delete(index);
      }
      for (const entry of claim.entries) {
        this.entries.set(entry.index, entry);
        this.term = Math.max(this.term, entry.term);
      }
    }
  }

  /** From which index on the open request may have replaced what was there. */
  get replacedFrom(): number {
    if (this.#open?.kind !== 'entries') return Number.POSITIVE_INFINITY;
    return this.#conflictOf(this.#open.entries);
  }

  /** The entries that were asked for and not acknowledged. */
  get openEntries(): readonly ClaimedEntry[] {
    return this.#open?.kind === 'entries' ? this.#open.entries : [];
  }

  #conflictOf(entries: readonly ClaimedEntry[]): number {
    const conflict = entries.find(({ index, term }) => {
      const known = this.entries.get(index);
      return known !== undefined && known.term !== term;
    });
    return conflict?.index ?? Number.POSITIVE_INFINITY;
  }
}
