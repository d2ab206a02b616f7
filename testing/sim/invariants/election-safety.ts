import type { ServerID } from '../../../raft/configuration.ts';
import type { Invariant } from '../court.ts';

/** At most one leader in a term, and at most one vote of a server in a term. */
export const electionSafety: Invariant = {
  name: 'election-safety',
  source:
    'Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm", Figure 3; §5.2',
  watch(_facts, violated) {
    const votes = new Map<string, ServerID>();
    return {
      rivalled(node, term, leader) {
        violated(`${node.id} leads in term ${term}, which ${leader} leads already`);
      },
      replySent(node, request, reply) {
        if (request.kind !== 'RequestVoteRequest' || reply.kind !== 'RequestVoteResponse') return;
        if (!reply.granted) return;
        const ballot = `${node.id} in term ${request.term}`;
        const candidate = String(request.rpcHeader.addr ?? request.candidate);
        const before = votes.get(ballot) ?? candidate;
        votes.set(ballot, before);
        if (before !== candidate) violated(`${ballot} votes a second time, for another candidate`);
      },
    };
  },
};
