import { utf8ToString } from '../../../internal/bytes.ts';
import { LogType } from '../../../raft/log.ts';
import type { Invariant } from '../court.ts';

/**
 * What a client is told of a command is true: "applied" is committed at that index, "not-applied"
 * never gets into the committed log, and no command gets there two times.
 */
export const truthfulOutcomes: Invariant = {
  name: 'truthful-outcomes',
  source: 'Raft paper, §8; thesis, §6.3',
  watch(_facts, violated) {
    const committedAt = new Map<string, number>();
    const denied = new Set<string>();
    /** Acknowledged in this event; what is committed is learnt at its end. */
    const fresh: { readonly id: string; readonly command: string; readonly index: number }[] = [];
    return {
      committed(_node, index, entry) {
        if (entry.data === null || entry.type !== LogType.LogCommand) return;
        const command = utf8ToString(entry.data);
        const before = committedAt.get(command);
        if (before !== undefined) violated(`${command} is committed at ${before} and at ${index}`);
        if (denied.has(command)) violated(`${command} is committed; its client was told it is not`);
        committedAt.set(command, index);
      },
      outcome({ id }, bytes, outcome, index) {
        const command = utf8ToString(bytes);
        const at = committedAt.get(command);
        if (outcome === 'applied') fresh.push({ id, command, index });
        if (outcome !== 'not-applied') return;
        denied.add(command);
        if (at !== undefined) violated(`${command} is denied and is committed at ${at}`);
      },
      stepped() {
        for (let next = fresh.pop(); next !== undefined; next = fresh.pop()) {
          const { id, command, index } = next;
          if (committedAt.get(command) !== index) {
            violated(`${id} acknowledges ${command} at ${index}, where it is not committed`);
          }
        }
      },
    };
  },
};
