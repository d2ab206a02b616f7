import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { appendBy, entries, newNode, step, theOnly } from '../../testing/core-fixture.ts';
import { AppendEntriesResponse } from '../messages.ts';
import { termOf } from './node.ts';

/** How a leader's log comes about from the log of the leader before it. */
interface Reign {
  /** The new leader lacks so many of the entries that are not committed. */
  readonly lacks: number;
  /** Entries it adds in its own term. */
  readonly adds: number;
  /** So many more of its entries get committed. */
  readonly commits: number;
  readonly requests: readonly { readonly prev: number; readonly count: number }[];
}

const reign: fc.Arbitrary<Reign> = fc.record({
  lacks: fc.nat({ max: 6 }),
  adds: fc.integer({ min: 1, max: 5 }),
  commits: fc.nat({ max: 6 }),
  requests: fc.array(fc.record({ prev: fc.nat(), count: fc.nat({ max: 5 }) }), { maxLength: 6 }),
});

/** What figure 2 makes of a log, one entry at a time: index i stands at place i - 1. */
function receiveSlowly(log: number[], prev: number, prevTerm: number, sent: number[]): boolean {
  if (prev > 0 && log[prev - 1] !== prevTerm) return false;
  sent.forEach((term, i) => {
    const index = prev + 1 + i;
    if (log[index - 1] !== undefined && log[index - 1] !== term) log.splice(index - 1);
    log[index - 1] = term;
  });
  return true;
}

describe('a follower’s log', () => {
  it('equals the one that figure 2 describes, whatever valid leaders send', () => {
    const follow = (reigns: readonly Reign[]) => {
      const node = newNode({ log: [], currentTerm: 0 });
      const model: number[] = [];
      let leader: number[] = [];
      let committed = 0;
      let committedHere = 0;
      reigns.forEach(({ lacks, adds, commits, requests }, i) => {
        const term = i + 1;
        leader = leader.slice(0, Math.max(committed, leader.length - lacks));
        leader.push(...new Array<number>(adds).fill(term));
        committed = Math.min(leader.length, committed + commits);
        for (const { prev: dice, count } of requests) {
          const prev = dice % (leader.length + 1);
          const prevTerm = prev === 0 ? 0 : (leader[prev - 1] ?? 0);
          const sent = leader.slice(prev, prev + count);
          const fields = { term, prevLogEntry: prev, prevLogTerm: prevTerm };
          const more = { entries: entries(prev + 1, ...sent), leaderCommitIndex: committed };
          const request = appendBy('b', { ...fields, ...more });
          const out = step(node, { kind: 'appendEntries', request, ticket: 1 });
          const success = receiveSlowly(model, prev, prevTerm, sent);
          const { reply } = theOnly(out, 'reply');
          expect(reply instanceof AppendEntriesResponse && reply.success).toBe(success);
          if (success) {
            const lastNew = prev + sent.length;
            committedHere = Math.max(committedHere, Math.min(committed, lastNew));
          }
          expect(node.commitIndex).toBe(committedHere);
          expect(node.lastApplied).toBe(committedHere);
          expect(node.terms.lastIndex).toBe(model.length);
          expect(model.map((_, at) => termOf(node, at + 1))).toEqual(model);
        }
      });
    };
    fc.assert(fc.property(fc.array(reign, { maxLength: 8 }), follow), { numRuns: 150 });
  });
});
