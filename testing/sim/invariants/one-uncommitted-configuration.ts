import { LogType } from '../../../raft/log.ts';
import type { Invariant, NodeView } from '../court.ts';

/** No log takes a change of the membership while the change before it is not committed. */
export const oneUncommittedConfiguration: Invariant = {
  name: 'one-uncommitted-configuration',
  source: "Ongaro's thesis, §4.1 (one server at a time), and its correction of July 2015",
  watch(facts, violated) {
    /** Written in this event; what is committed is learnt at its end. */
    const fresh: { readonly node: NodeView; readonly index: number }[] = [];
    return {
      writeIssued(node, write) {
        if (write.kind !== 'store' && write.kind !== 'replace') return;
        for (const { index, type } of write.logs) {
          if (type === LogType.LogConfiguration) fresh.push({ node, index });
        }
      },
      stepped() {
        for (let next = fresh.pop(); next !== undefined; next = fresh.pop()) {
          const { id, disk } = next.node;
          for (let at = next.index - 1; at > facts.committedUpTo; at -= 1) {
            if (disk.issued.entry(at)?.type === LogType.LogConfiguration) {
              violated(`${id} takes the change at ${next.index}; the one at ${at} is uncommitted`);
            }
          }
        }
      },
    };
  },
};
