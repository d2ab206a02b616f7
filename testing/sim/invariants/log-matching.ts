import type { Invariant } from '../court.ts';
import { hashOfLog } from '../facts.ts';

/**
 * Two entries with the same index and term say the same and stand behind entries of the same term.
 * By induction their logs are equal up to there, so each entry is compared once, when it is
 * written.
 */
export const logMatching: Invariant = {
  name: 'log-matching',
  source: 'Raft paper, Figure 3; §5.3',
  watch(facts, violated) {
    return {
      writeIssued(node, write) {
        if (write.kind !== 'store' && write.kind !== 'replace') return;
        let prevTerm = node.disk.issued.termAt((write.logs[0]?.index ?? 0) - 1);
        for (const log of write.logs) {
          const where = `entry ${log.index} of term ${log.term} on ${node.id}`;
          const fact = facts.entry(log.index, log.term);
          if (fact !== undefined && fact.hash !== hashOfLog(log)) {
            violated(`${where} says something else than where it was first written`);
          }
          const known = fact?.prevTerm !== undefined && prevTerm !== undefined;
          if (known && fact.prevTerm !== prevTerm) {
            violated(`${where} follows term ${prevTerm}, elsewhere it follows ${fact.prevTerm}`);
          }
          prevTerm = log.term;
        }
      },
    };
  },
};
