import type { Invariant } from '../court.ts';
import type { FSMState } from '../fsm.ts';

/**
 * The state that a snapshot brings is the state that replaying the log up to its index gives, or
 * one that a user has offered to restore.
 */
export const snapshotEqualsReplay: Invariant = {
  name: 'snapshot-equals-replay',
  source: 'Raft paper, §7 (the snapshot replaces the log up to its last included index)',
  watch(_facts, violated) {
    const known = new Map<number, FSMState[]>();
    const add = (state: FSMState): void => {
      const states = known.get(state.index);
      if (states === undefined) known.set(state.index, [state]);
      else if (!states.some((one) => isSame(one, state))) states.push(state);
    };
    return {
      offered: add,
      applied: (_node, _log, state) => add(state),
      restored(node, state) {
        const states = known.get(state.index) ?? [];
        if (state.index === 0 || states.some((one) => isSame(one, state))) return;
        violated(
          `${node.id} restores a state of ${state.index} that ` +
            (states.length === 0 ? 'nobody came to' : 'differs from what the log gives'),
        );
      },
    };
  },
};

function isSame(a: FSMState, b: FSMState): boolean {
  return a.count === b.count && a.historyHash === b.historyHash && a.contentHash === b.contentHash;
}
