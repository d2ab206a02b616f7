import type { Invariant } from '../court.ts';

/**
 * A server gives at most one vote in a term, whatever crashes come in between: neither two answers
 * nor two votes on its disk name different candidates.
 */
export const oneVoteATerm: Invariant = {
  name: 'one-vote-a-term',
  source: "Raft paper, §5.2 and Figure 2 (votedFor is persistent); Ongaro's thesis, §3.8",
  watch(_facts, violated) {
    const votes = new Map<string, string>();
    const judge = (ballot: string, candidate: string): void => {
      const before = votes.get(ballot) ?? candidate;
      votes.set(ballot, before);
      if (before !== candidate) violated(`${ballot} votes a second time, for another candidate`);
    };
    return {
      replySent(node, request, reply) {
        if (request.kind !== 'RequestVoteRequest' || reply.kind !== 'RequestVoteResponse') return;
        if (!reply.granted) return;
        const candidate = request.rpcHeader.addr ?? request.candidate;
        judge(`${node.id} in term ${request.term}`, String(candidate));
      },
      writeSynced(node, write) {
        if (write.kind !== 'keys') return;
        const term = write.writes.get('LastVoteTerm');
        if (typeof term !== 'number') return;
        const written = write.writes.get('LastVoteCand');
        const candidate = written ?? node.stableDisk.durable.bytes('LastVoteCand');
        judge(`${node.id} in term ${term}`, String(candidate));
      },
    };
  },
};
