import type { Invariant } from '../court.ts';

/** Who is confirmed as leader was not deposed by a newer leader before the question was asked. */
export const verifiedLeader: Invariant = {
  name: 'verified-leader',
  source: 'Raft paper, §8; thesis, §6.4',
  watch(_facts, violated) {
    return {
      verified(node, term, rival) {
        if (term < rival) {
          violated(`${node.id} of term ${term} is confirmed; term ${rival} had a leader before`);
        }
      },
    };
  },
};
