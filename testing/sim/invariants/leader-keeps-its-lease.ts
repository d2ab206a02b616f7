import { quorumSize, votersOf } from '../../../raft/configuration.ts';
import { RaftState } from '../../../raft/state.ts';
import type { Invariant, NodeView } from '../court.ts';

/** Leases of the simulated nodes are at most 250 ms, journeys at most 1.1 s. */
const LIMIT_MS = 2_500;
/** Who was stopped looks at its lease as soon as it runs, asks, and looks again soon after. */
const GRACE_MS = 300;
/** Silence grows slowly: it is enough to look now and then. */
const LOOK_EVERY_MS = 10;

/** A leader that no quorum has answered for long steps down. */
export const leaderKeepsItsLease: Invariant = {
  name: 'leader-keeps-its-lease',
  source: "Ongaro's thesis, §6.2 (a leader steps down without a round of heartbeats to a majority)",
  watch(_facts, violated) {
    let now = 0;
    /** When each follower last answered the leader of a term, by term. */
    const answers = new Map<number, Map<string, number>>();
    const lateSince = new Map<string, number>();
    const lookAgainMs = new Map<string, number>();
    const quorumAnsweredMs = (node: NodeView, term: number): number => {
      const configuration = node.raft?.getConfiguration().configuration();
      if (configuration === undefined) return now;
      const times = votersOf(configuration)
        .map(({ id }) => (id === node.id ? now : (answers.get(term)?.get(id) ?? 0)))
        .sort((a, b) => b - a);
      return times[quorumSize(configuration) - 1] ?? now;
    };
    return {
      elected(node, term) {
        const voters = node.raft?.getConfiguration().configuration().servers ?? [];
        answers.set(term, new Map(voters.map(({ id }) => [id, now])));
      },
      replySent({ id }, request, reply) {
        if (request.kind !== 'AppendEntriesRequest' || reply.kind !== 'AppendEntriesResponse') {
          return;
        }
        if (reply.term === request.term) answers.get(request.term)?.set(id, now);
      },
      started({ id }) {
        lateSince.delete(id);
      },
      stepped(node, nowMs) {
        now = nowMs;
        const { id, raft, disk, stableDisk } = node;
        if (raft?.state() !== RaftState.Leader || disk.isHanging || stableDisk.isHanging) {
          lateSince.delete(id);
          return;
        }
        if (now < Math.max(LIMIT_MS, lookAgainMs.get(id) ?? 0)) return;
        lookAgainMs.set(id, now + LOOK_EVERY_MS);
        if (now - quorumAnsweredMs(node, raft.currentTerm()) < LIMIT_MS) {
          lateSince.delete(id);
          return;
        }
        const sinceMs = lateSince.get(id) ?? now;
        lateSince.set(id, sinceMs);
        if (now - sinceMs > GRACE_MS) violated(`${id} leads without a quorum for ${LIMIT_MS} ms`);
      },
    };
  },
};
