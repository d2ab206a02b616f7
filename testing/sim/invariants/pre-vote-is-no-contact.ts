import { RaftState } from '../../../raft/state.ts';
import type { Invariant } from '../court.ts';

/** What a node says of a moment is right to the millisecond. */
const ROUNDING_MS = 1;

/**
 * Silence ends when a leader is heard, when a vote is given, and with an own leadership. A question
 * whether a vote would be given ends it not: else those who cannot win keep others from standing.
 */
export const preVoteIsNoContact: Invariant = {
  name: 'pre-vote-is-no-contact',
  source: "Ongaro's thesis, §9.6 (a pre-vote changes nothing at the servers that are asked)",
  watch(_facts, violated) {
    const heardAtMs = new Map<string, number>();
    const leading = new Set<string>();
    return {
      started({ id }) {
        heardAtMs.delete(id);
        leading.delete(id);
      },
      stepped(node) {
        const { id, raft } = node;
        if (raft?.state() === RaftState.Leader) leading.add(id);
        // A node may answer in the event in which it comes up, before it can be looked at.
        else if (leading.delete(id) || (raft !== null && !heardAtMs.has(id))) {
          heardAtMs.set(id, node.heardAtMs ?? 0);
        }
      },
      replySent(node, _request, { kind }) {
        const { id, raft } = node;
        const heardBeforeMs = heardAtMs.get(id);
        if (raft === null || heardBeforeMs === undefined || leading.has(id)) return;
        const nowMs = node.heardAtMs ?? 0;
        if (kind !== 'RequestPreVoteResponse') heardAtMs.set(id, nowMs);
        else if (nowMs > heardBeforeMs + ROUNDING_MS) {
          violated(`${id} takes a pre-vote at ${nowMs.toFixed(1)} ms for a word of its leader`);
        }
      },
    };
  },
};
