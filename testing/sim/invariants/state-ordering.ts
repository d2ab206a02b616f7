import { LogType } from '../../../raft/log.ts';
import type { Invariant } from '../court.ts';

/** A state machine is given every committed command once, in log order, without a gap. */
export const stateOrdering: Invariant = {
  name: 'state-ordering',
  source: 'Raft paper, Figure 2, "Rules for Servers: All Servers"',
  watch(facts, violated) {
    const lastOf = new Map<string, number>();
    /** Applied and not yet compared with what is committed: the commit may be told after it. */
    const fresh: { readonly id: string; readonly from: number; readonly index: number }[] = [];
    return {
      started(node) {
        lastOf.set(node.id, 0);
      },
      applied({ id }, log) {
        const from = lastOf.get(id) ?? 0;
        if (log.index <= from) violated(`${id} applies ${log.index} after ${from}`);
        if (log.type !== LogType.LogCommand)
          violated(`${id} applies a non-command at ${log.index}`);
        fresh.push({ id, from, index: log.index });
        lastOf.set(id, log.index);
      },
      restored({ id }, state) {
        lastOf.set(id, state.index);
      },
      stepped() {
        for (let next = fresh.pop(); next !== undefined; next = fresh.pop()) {
          const { id, from, index } = next;
          if (index > facts.committedUpTo)
            violated(`${id} applies ${index}, which is not committed`);
          for (let i = from + 1; i < index; i += 1) {
            if (facts.committedAt(i)?.type === LogType.LogCommand) {
              violated(`${id} applies ${index} after ${from} and leaves out the command at ${i}`);
            }
          }
        }
      },
    };
  },
};
