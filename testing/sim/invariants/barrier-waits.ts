import { LogType } from '../../../raft/log.ts';
import type { Invariant } from '../court.ts';

/**
 * A barrier is answered when it is committed, as the entry that it is, and when its node has
 * applied everything that was acknowledged before it.
 */
export const barrierWaits: Invariant = {
  name: 'barrier-waits',
  source: 'hashicorp/raft v1.7.3, Raft.Barrier ("all preceding operations have been applied")',
  watch(_facts, violated) {
    let committed = 0;
    let passed = 0;
    return {
      committed(_node, _index, { type }) {
        if (type === LogType.LogBarrier) committed += 1;
      },
      passed(node, floor, state) {
        passed += 1;
        if (state.index < floor) {
          violated(`${node.id} passes a barrier at ${state.index}; ${floor} was known before`);
        }
      },
      // What is committed is learnt at the end of an event.
      stepped({ id }) {
        if (passed > committed) {
          violated(`${id} passes barrier number ${passed}; ${committed} are committed`);
        }
      },
    };
  },
};
