import type { Invariant } from '../court.ts';

interface Marks {
  readonly term: number;
  readonly commit: number;
  readonly applied: number;
}

const NOTHING: Marks = { term: 0, commit: 0, applied: 0 };

/**
 * While a node lives, its term, commit index and applied index never go back, and it never shows a
 * log that ends below what it applied. On disk the term never goes back at all.
 */
export const monotonic: Invariant = {
  name: 'monotonic',
  source: 'Raft paper, Figure 2 (currentTerm, commitIndex, lastApplied "increases monotonically")',
  watch(facts, violated) {
    const marks = new Map<string, Marks>();
    return {
      started(node) {
        marks.delete(node.id);
      },
      stepped({ id, raft, disk }) {
        if (raft === null) return;
        const before = marks.get(id) ?? NOTHING;
        const term = raft.currentTerm();
        const commit = raft.commitIndex();
        const applied = raft.appliedIndex();
        if (term === before.term && commit === before.commit && applied === before.applied) return;
        marks.set(id, { term, commit, applied });
        const last = raft.lastIndex();
        if (last < applied) violated(`${id} shows last index ${last} and applied ${applied}`);
        if (term < before.term) violated(`${id} goes back from term ${before.term} to ${term}`);
        if (commit < before.commit && before.commit <= facts.committedUpTo) {
          violated(`${id} goes back from commit index ${before.commit} to ${commit}`);
        }
        // A user restore is applied before a quorum has it, and may have to give way.
        const restored = Math.max(commit, disk.issued.snapshotIndex);
        if (applied < before.applied && before.applied <= facts.committedUpTo) {
          violated(`${id} goes back from applied index ${before.applied} to ${applied}`);
        }
        if (applied > restored)
          violated(`${id} applied ${applied} and knows only ${commit} committed`);
      },
      writeSynced(node, write) {
        if (write.kind !== 'keys') return;
        const term = write.writes.get('CurrentTerm');
        const before = node.stableDisk.durable.number('CurrentTerm');
        if (typeof term === 'number' && term < before) {
          violated(`${node.id} saves term ${term} over term ${before}`);
        }
      },
    };
  },
};
