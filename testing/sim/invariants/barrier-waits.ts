import type { Invariant } from '../court.ts';

/** A barrier is answered when its node has applied everything that was acknowledged before it. */
export const barrierWaits: Invariant = {
  name: 'barrier-waits',
  source: 'hashicorp/raft v1.7.3, Raft.Barrier ("all preceding operations have been applied")',
  watch(_facts, violated) {
    return {
      passed(node, floor, state) {
        if (state.index < floor) {
          violated(`${node.id} passes a barrier at ${state.index}; ${floor} was known before`);
        }
      },
    };
  },
};
