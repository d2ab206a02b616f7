import type { Invariant } from '../court.ts';

/**
 * A linear read sees every write that was acknowledged, and every state that another such read
 * returned, before it began.
 */
export const linearReads: Invariant = {
  name: 'linear-reads',
  source: 'Raft paper, §8; thesis, §6.4; Herlihy and Wing, "Linearizability", 1990',
  watch(_facts, violated) {
    return {
      read(node, floor, state) {
        if (state.index < floor) {
          violated(`${node.id} reads the state of ${state.index}; ${floor} was known before`);
        }
      },
    };
  },
};
