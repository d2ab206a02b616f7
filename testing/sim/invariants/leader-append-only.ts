import type { Invariant } from '../court.ts';

/**
 * A leader never overwrites or deletes an entry of its own log, except for a head that a snapshot
 * covers. It leads as long as its disk still has the term in which it was elected.
 */
export const leaderAppendOnly: Invariant = {
  name: 'leader-append-only',
  source: 'Raft paper, Figure 3; §5.3',
  watch(facts, violated) {
    return {
      writeIssued(node, write) {
        const { issued } = node.disk;
        const term = node.stableDisk.durable.number('CurrentTerm');
        if (facts.leaderOf(term) !== node.id) return;
        if (write.kind === 'replace' && write.from <= issued.lastIndex) {
          violated(`${node.id} leads and replaces its log from ${write.from} on`);
        }
        if (write.kind === 'delete') {
          const max = Math.min(write.max, issued.lastIndex);
          const deletes = max >= Math.max(write.min, issued.firstIndex) && issued.lastIndex > 0;
          if (deletes && max > issued.snapshotIndex) {
            violated(`${node.id} leads and deletes ${write.min} to ${write.max} of its log`);
          }
        }
        if (write.kind === 'store') {
          const log = write.logs.find(({ index, term }) => {
            const before = issued.entry(index);
            return before !== undefined && before.term !== term;
          });
          if (log !== undefined) violated(`${node.id} leads and overwrites its entry ${log.index}`);
        }
      },
    };
  },
};
