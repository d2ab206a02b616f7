import type { SnapshotMeta } from '../raft/snapshot.ts';

/** Go's name of a snapshot; unique as long as no two of the same entry start in one millisecond. */
export function snapshotName(term: number, index: number, wallMs: number): string {
  return `${term}-${index}-${wallMs}`;
}

type Age = Pick<SnapshotMeta, 'term' | 'index' | 'id'>;

/** Sorts the newest first: by term, then index, then name, the name compared as text (as in Go). */
export function newestFirst(a: Age, b: Age): number {
  if (a.term !== b.term) return b.term - a.term;
  if (a.index !== b.index) return b.index - a.index;
  if (a.id === b.id) return 0;
  return a.id < b.id ? 1 : -1;
}
