import type { Invariant } from '../court.ts';

/** At most one leader in a term. */
export const electionSafety: Invariant = {
  name: 'election-safety',
  source:
    'Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm", Figure 3; §5.2',
  watch(_facts, violated) {
    return {
      rivalled(node, term, leader) {
        violated(`${node.id} leads in term ${term}, which ${leader} leads already`);
      },
    };
  },
};
