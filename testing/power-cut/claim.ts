/** One entry, as its acknowledgement says it. */
export interface ClaimedEntry {
  readonly index: number;
  readonly term: number;
  readonly text: string;
}

/** What a node acknowledges: from then on a power cut must not take it away. */
export type Claim =
  /** Entries from `from` on, in place of all that was there. */
  | { readonly kind: 'entries'; readonly from: number; readonly entries: readonly ClaimedEntry[] }
  /** A vote, and the term it was given in. */
  | { readonly kind: 'vote'; readonly term: number; readonly candidate: string }
  /** A snapshot up to `index`. */
  | { readonly kind: 'snapshot'; readonly index: number };
