import type { Invariant } from '../court.ts';

/**
 * Whoever is elected has every entry that was committed in an earlier term; a leader may learn of
 * its votes only when others have gone on without it. Log matching makes the newest entry speak for
 * all.
 */
export const leaderCompleteness: Invariant = {
  name: 'leader-completeness',
  source: 'Raft paper, Figure 3; §5.4',
  watch(facts, violated) {
    return {
      elected(node, term) {
        const index = facts.committedBefore(term);
        const committed = facts.committedAt(index);
        const { issued } = node.disk;
        if (committed === undefined || issued.snapshotIndex >= index) return;
        const termAt = issued.termAt(index);
        if (termAt !== committed.term) {
          const has = termAt === undefined ? 'nothing' : `term ${termAt}`;
          violated(
            `${node.id} is elected in term ${term} and has ${has} at ${index}, ` +
              `where term ${committed.term} is committed`,
          );
        }
      },
    };
  },
};
