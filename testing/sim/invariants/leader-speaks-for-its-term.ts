import type { Invariant } from '../court.ts';

/**
 * Who sends entries or a snapshot in a term is still in that term, and the entries are its own:
 * each one, and the one before them, is in its log. A log read while it was being cut is not sent.
 */
export const leaderSpeaksForItsTerm: Invariant = {
  name: 'leader-speaks-for-its-term',
  source: "Raft paper, §5.1 and §5.3 (AppendEntries carries the leader's log)",
  watch(_facts, violated) {
    return {
      requestSent({ id, disk, raft }, request) {
        const { kind } = request;
        if (kind !== 'AppendEntriesRequest' && kind !== 'InstallSnapshotRequest') return;
        const now = raft?.currentTerm() ?? 0;
        if (now > request.term) violated(`${id} is in term ${now}, sends for term ${request.term}`);
        if (kind === 'InstallSnapshotRequest') return;
        const { prevLogEntry, prevLogTerm, entries } = request;
        for (const { index, term } of [
          { index: prevLogEntry, term: prevLogTerm },
          ...(entries ?? []),
        ]) {
          const own = disk.issued.termAt(index);
          if (index > 0 && own !== undefined && own !== term) {
            violated(`${id} sends entry ${index} of term ${term}; its log has term ${own} there`);
          }
        }
      },
    };
  },
};
