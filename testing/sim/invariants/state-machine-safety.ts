import type { Invariant } from '../court.ts';
import type { FSMState } from '../fsm.ts';
import { hashBytes } from '../trace.ts';

interface Applied {
  readonly term: number;
  readonly dataHash: number;
  readonly state: FSMState;
}

/**
 * If a server has applied an entry at an index, no other server applies a different one there; and
 * the state behind equal histories is equal.
 */
export const stateMachineSafety: Invariant = {
  name: 'state-machine-safety',
  source: 'Raft paper, Figure 3; §5.4.3, and §7 for snapshots',
  watch(_facts, violated) {
    const byIndex = new Map<number, Applied>();
    const compare = (where: string, first: FSMState, now: FSMState): void => {
      if (first.historyHash !== now.historyHash || first.count !== now.count) {
        violated(`${where} the history differs: ${first.count} commands, here ${now.count}`);
      } else if (first.contentHash !== now.contentHash) {
        violated(`${where} the contents differ although the history is the same`);
      }
    };
    return {
      applied(node, log, state) {
        const dataHash = hashBytes(log.data);
        const first = byIndex.get(log.index);
        if (first === undefined) {
          byIndex.set(log.index, { term: log.term, dataHash, state });
        } else if (first.term !== log.term || first.dataHash !== dataHash) {
          violated(
            `${node.id} applies another command at ${log.index}: of term ${log.term}, ` +
              `elsewhere of term ${first.term}`,
          );
        } else {
          compare(`after ${log.index} on ${node.id}`, first.state, state);
        }
      },
    };
  },
};
