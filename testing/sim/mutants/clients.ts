import type { Mutant } from './mutant.ts';
import { DIVIDED, SLOW_TO_YIELD } from './runs.ts';
import { oustAsleep, oustQuietly } from './scripts.ts';

/** Bugs in what clients are told. */
export const brokenAnswers: readonly Mutant[] = [
  {
    name: 'lost-command-denied',
    title: 'a command that may yet be committed is said not to be',
    edits: [
      {
        file: 'raft/runtime/ledger.ts',
        find: 'future?.lost(error);',
        replace: 'future?.refused(error);',
      },
    ],
    run: { faults: DIVIDED },
    seeds: 60,
    caughtBy: ['truthful-outcomes'],
  },
  {
    name: 'answered-before-commit',
    title: 'a command is acknowledged when it is in the log of its leader',
    edits: [
      {
        file: 'raft/runtime/effects.ts',
        find: 'inFlight.push(entry.index, future, sizeOf(entry));',
        replace:
          'inFlight.push(entry.index, null, sizeOf(entry));\n' +
          '      future?.setIndex(entry.index);\n' +
          '      future?.applied({ index: entry.index, output: undefined });',
      },
    ],
    run: {},
    seeds: 10,
    caughtBy: ['truthful-outcomes'],
  },
  {
    name: 'barrier-answered-early',
    title: 'a barrier is answered before it is committed',
    edits: [
      {
        file: 'raft/runtime/effects.ts',
        find: 'inFlight.push(entry.index, future, sizeOf(entry));',
        replace:
          'const early = future !== null && entry.type === 4;\n' +
          '      inFlight.push(entry.index, early ? null : future, sizeOf(entry));\n' +
          '      if (early) {\n' +
          '        future.setIndex(entry.index);\n' +
          '        future.applied(undefined);\n' +
          '      }',
      },
    ],
    run: {},
    seeds: 20,
    caughtBy: ['barrier-waits'],
  },
  {
    name: 'verify-from-stale-answers',
    title: 'an answer to a request from before the question confirms a leader',
    edits: [
      {
        file: 'raft/core/verify-leader.ts',
        find: 'if (question.round >= round) break;',
        replace: 'if (question.round > round) break;',
      },
    ],
    run: { faults: [], script: oustQuietly, profile: SLOW_TO_YIELD },
    seeds: 200,
    caughtBy: ['verified-leader', 'linear-reads', 'linearizable-history'],
  },
  {
    name: 'verify-without-asking',
    title: 'a leader confirms itself',
    edits: [
      {
        file: 'raft/core/verify-leader.ts',
        find: '  else ask(node, leadership, { ticket, readIndex: undefined }, out);',
        replace: `  else out.push({ kind: 'settle', ticket, value: undefined });`,
      },
    ],
    run: { faults: ['pause', 'isolate'], profile: { workEveryMs: 5 } },
    seeds: 400,
    caughtBy: ['verified-leader'],
  },
  {
    name: 'read-after-pause',
    title: 'a leader that was stopped serves a read by the lease it had before',
    edits: [
      {
        file: 'raft/core/verify-leader.ts',
        find: '  else ask(node, leadership, { ticket, readIndex: node.commitIndex }, out);',
        replace:
          '  else if ([...leadership.peers.values()].every((p) => p.beatFailures === 0)) {\n' +
          "    out.push({ kind: 'settle', ticket, value: node.commitIndex });\n" +
          '  } else ask(node, leadership, { ticket, readIndex: node.commitIndex }, out);',
      },
    ],
    run: { faults: [], script: oustAsleep, profile: SLOW_TO_YIELD },
    seeds: 100,
    caughtBy: ['linear-reads', 'linearizable-history'],
  },
  {
    name: 'read-before-applied',
    title: 'a read does not wait until its index is applied',
    edits: [
      {
        file: 'raft/runtime/linear-reader.ts',
        find: 'const pending = fsm.untilFinished(index);',
        replace: 'const pending = index < 0 ? fsm.untilFinished(index) : undefined;',
      },
    ],
    run: { profile: { applyMs: 0.5, workEveryMs: 5 } },
    seeds: 100,
    caughtBy: ['linear-reads', 'linearizable-history'],
  },
  {
    name: 'reads-forgotten',
    title: 'reads that wait when a leadership ends are never answered',
    edits: [
      {
        file: 'raft/core/leader.ts',
        find:
          "  for (const ticket of leadership.reads.abandon()) out.push({ kind: 'settleError', " +
          'ticket, error });\n',
        replace: '  leadership.reads.abandon();\n',
      },
    ],
    run: { faults: DIVIDED },
    seeds: 100,
    caughtBy: ['every-future-settles-once'],
  },
];
